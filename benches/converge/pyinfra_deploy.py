"""The eight tasks, as a good pyinfra user writes them."""

from io import StringIO

from pyinfra import host
from pyinfra.operations import files, server, systemd

UNIT = """[Unit]
Description=the application
[Service]
User=app
ExecStart=/usr/bin/python3 -m http.server 8080 --directory /srv/app/www
[Install]
WantedBy=multi-user.target
"""

server.group(group="app", system=True)
server.user(user="app", group="app", system=True, home="/srv/app", ensure_home=False, shell="/usr/sbin/nologin")
for path in ["/srv/app", "/srv/app/conf.d", "/srv/app/www", "/var/lib/app", "/var/log/app"]:
    files.directory(path=path, user="app", group="app", mode="755")
for part in range(1, 11):
    files.put(
        src=StringIO(f"node = {host.data.node}\npart = {part:02}\n"), dest=f"/srv/app/conf.d/{part:02}.conf", mode="644",
    )
unit = files.put(src=StringIO(UNIT), dest="/etc/systemd/system/app.service", mode="644")
systemd.service(service="app.service", running=True, enabled=True, daemon_reload=unit.changed)
server.sysctl(key="net.ipv4.tcp_keepalive_time", value=600, persist=True, persist_file="/etc/sysctl.d/90-app.conf")
probe = f"import urllib.request as r; r.urlopen('http://{host.name}:8080/', timeout=5)"
server.shell(
    name="health check",
    commands=[f'for n in $(seq 60); do python3 -c "{probe}" 2>/dev/null && exit 0; sleep 0.5; done; exit 1'],
)
