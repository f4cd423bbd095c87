# Whether a node is as the eight tasks want it, whoever did them. $1 is its name, $2 its address.
set -e
fail() { echo "$1"; exit 1; }
getent group app > /dev/null || fail "no group"
[ "$(id -gn app)" = app ] || fail "no user"
for folder in /srv/app /srv/app/conf.d /srv/app/www /var/lib/app /var/log/app; do
  [ "$(stat -c '%U %G %a' $folder)" = "app app 755" ] || fail "$folder"
done
for part in 01 02 03 04 05 06 07 08 09 10; do
  [ "$(cat /srv/app/conf.d/$part.conf)" = "node = $1
part = $part" ] || fail "file $part"
done
[ "$(systemctl is-active app) $(systemctl is-enabled app)" = "active enabled" ] || fail "service"
[ "$(cat /proc/sys/net/ipv4/tcp_keepalive_time)" = 600 ] || fail "sysctl"
grep -rqs "tcp_keepalive_time *= *600" /etc/sysctl.d /etc/sysctl.conf || fail "sysctl line"
python3 -c "import urllib.request as r; r.urlopen('http://$2:8080/', timeout=5)" || fail "health"
echo whole
