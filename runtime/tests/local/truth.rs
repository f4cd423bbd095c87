//! What programs on a machine are: its root, and nobody on the host.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use rebar_runtime::backend::{Backend, Command};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bed::Bed;

pub(crate) async fn root_inside_is_nobody_outside() {
    let bed = Bed::new();
    bed.create_network().await;
    bed.create("a", 2).await;
    assert_eq!(
        bed.output("a", "awk '{print $1, ($2 >= 1073741824), $3}' /proc/self/uid_map")
            .await,
        "0 1 65536"
    );
    for forbidden in [
        "date -s 2001-01-01",
        "test -w /proc/sysrq-trigger",
        "test -w /proc/sys/kernel/core_pattern",
        "mknod /root/disk b 8 0",
        "mount -t ext4 /dev/vda /mnt",
        "head -c 1 /proc/kcore",
        "mount -o remount,rw /sys && test -w /sys/kernel/mm/ksm/run",
        "ls /sys/fs/cgroup/../cgroup/rebar",
    ] {
        let (code, output, _) = bed.shell("a", forbidden).await;
        assert_ne!(code, 0, "`{forbidden}` went through: {output}");
    }
    assert_eq!(
        bed.output("a", "ls /proc | grep -c '^[0-9]' | awk '{print ($1 < 20)}'")
            .await,
        "1"
    );
    let sets = bed
        .output(
            "a",
            "grep -h CapBnd /proc/1/status /proc/self/status | sort -u | wc -l",
        )
        .await;
    assert_eq!(
        sets, "1",
        "a program can do no more than the machine's own first process"
    );
    // Everything it writes belongs to ids of its own, shifted by the mount: on this host's disk it looks as inside.
    bed.output("a", "touch /root/file && chown 33:33 /root/file")
        .await;
    let upper = bed
        .folders
        .data
        .join("local")
        .join(&bed.scope.deploy_id)
        .join("machines/a/disk/upper");
    assert_eq!(std::fs::metadata(upper.join("root/file")).unwrap().uid(), 33);
    // So nobody else on this host may get there.
    let local = std::fs::metadata(bed.folders.data.join("local")).unwrap();
    assert_eq!(local.mode() & 0o777, 0o700);
    assert_eq!(bed.output("a", "stat -c %a /").await, "755");
    // A small machine is small.
    let limit = bed.limit_of_memory("a");
    assert_eq!(limit, 1 << 30);
}

pub(crate) async fn programs_end_as_they_end() {
    let bed = Bed::new();
    bed.create_network().await;
    bed.create("a", 2).await;
    assert_eq!(
        bed.shell("a", "echo out; echo err >&2; exit 7").await,
        (7, "out\n".into(), "err\n".into())
    );
    assert_eq!(bed.shell("a", "kill -9 $$").await.0, 137);
    assert_eq!(
        bed.shell("a", "env | sort | cut -d= -f1 | tr '\\n' ' '").await.1,
        "HOME LANG PATH PWD TERM USER "
    );
    let error = bed.program("a", &["no-such-program"], "").await.unwrap_err();
    assert!(
        error.code == "E1413" && error.message.contains("no-such-program"),
        "{error}"
    );
    let error = bed.program("b", &["true"], "").await.unwrap_err();
    assert_eq!(error.code, "E1407", "{error}");
    // No arguments: the agent, executed without a file on the machine.
    let (code, output, _) = bed.program("a", &[], "said and heard").await.unwrap();
    assert_eq!((code, output.as_str()), (0, "said and heard"));
    // Much, both ways at once.
    let large = "0123456789abcdef".repeat(1 << 16);
    let arguments = ["cat".to_owned()].into();
    let command = Command {
        arguments,
        environment: [("A".to_owned(), "b".to_owned())].into(),
        terminal: None,
    };
    let mut process = bed.backend.open(&bed.scope, "a", &command).await.unwrap();
    let mut heard = String::new();
    let mut input = process.input;
    let (_, _) = tokio::join!(
        async {
            input.write_all(large.as_bytes()).await.unwrap();
            drop(input);
        },
        process.output.read_to_string(&mut heard)
    );
    assert!(heard == large && process.exit.await.unwrap() == 0);
}

pub(crate) async fn a_program_survives_its_controller_and_the_helper_does_not() {
    let bed = Bed::new();
    bed.create_network().await;
    bed.create("a", 2).await;
    let script = "cat > /dev/null; sleep 0.5; touch /root/finished";
    let arguments = ["sh", "-c", script].map(str::to_owned).into();
    let command = Command {
        arguments,
        environment: [].into(),
        terminal: None,
    };
    let process = bed.backend.open(&bed.scope, "a", &command).await.unwrap();
    drop(process);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(crate::bed::helpers(), 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    bed.output("a", "test -e /root/finished").await;
}
