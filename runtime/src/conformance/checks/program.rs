//! Programs on machines: what goes in, what comes out, how they end.

use std::collections::BTreeMap;

use rebar_agent::protocol::{Event, PROTOCOL, Request};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::bed::{Ended, Heard, talk};
use super::super::{Bed, Ground, Kept, Stop, hold};
use crate::backend::{Command, Process};
use crate::observe::Line;

async fn with_machine(ground: &Ground) -> Result<Bed, Stop> {
    let bed = ground.bed()?;
    bed.lan().await?;
    bed.create("a", 2).await?;
    Ok(bed)
}

pub(super) async fn codes(ground: &Ground) -> Kept {
    let bed = with_machine(ground).await?;
    let cases = [
        ("echo out; echo err >&2; exit 7", 7, "out\n", "err\n"),
        ("kill -9 $$", 137, "", ""),
        ("kill -15 $$", 143, "", ""),
        ("exit 255", 255, "", ""),
        ("true", 0, "", ""),
        ("printf 'no newline'", 0, "no newline", ""),
    ];
    for (script, code, output, errors) in cases {
        let wanted = Ended {
            code,
            output: output.to_owned(),
            errors: errors.to_owned(),
        };
        let ended = bed.shell("a", script).await?;
        hold!(
            ended == wanted,
            "`{script}` came out as {ended:?}, not {wanted:?}"
        );
    }
    Ok(())
}

pub(super) async fn large(ground: &Ground) -> Kept {
    let bed = with_machine(ground).await?;
    // All bytes there are, in no short pattern.
    let mut state = 1_u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(16 << 20)
    .collect();
    let heard = talk(bed.open("a", &["cat"]).await?, &bytes).await?;
    hold!(heard.code == 0, "`cat` ended with {}", heard.code);
    hold!(
        heard.output.len() == bytes.len(),
        "of {} bytes {} came back",
        bytes.len(),
        heard.output.len()
    );
    hold!(heard.output == bytes, "the bytes were changed on their way");
    // Standard errors flow beside standard output, neither waits for the other.
    let both = "head -c 4000000 /dev/zero >&2 & head -c 4000000 /dev/zero; wait";
    let heard = talk(bed.open("a", &["sh", "-c", both]).await?, b"").await?;
    let (out, err) = (heard.output.len(), heard.errors.len());
    hold!(
        out == 4_000_000 && err == 4_000_000,
        "of 4000000 bytes each, {out} and {err} came"
    );
    Ok(())
}

pub(super) async fn hidden(ground: &Ground) -> Kept {
    let bed = with_machine(ground).await?;
    let ended = bed.program("a", &["sh", "-c", "cat; echo end"], b"said").await?;
    hold!(
        ended.output == "saidend\n",
        "a program that reads to the end said `{}`",
        ended.output
    );
    let odd = ["a b", "", "$HOME", "'\"", "*", "--", "\\n", "ü"];
    let mut arguments = vec!["printf", "[%s]"];
    arguments.extend(odd);
    let ended = bed.program("a", &arguments, b"").await?;
    let wanted: String = odd.iter().map(|argument| format!("[{argument}]")).collect();
    hold!(
        ended.output == wanted,
        "arguments arrived as `{}`, not `{wanted}`",
        ended.output
    );
    let command = Command {
        arguments: [
            "sh",
            "-c",
            "echo \"$ODD\"; echo ${HOME}; env | cut -d= -f1 | sort | tr '\\n' ' '",
        ]
        .map(str::to_owned)
        .into(),
        environment: BTreeMap::from([("ODD".to_owned(), "x=1 y".to_owned())]),
        terminal: None,
    };
    let process = bed.backend().open(bed.scope(), "a", &command).await?;
    let ended = Ended::from(talk(process, b"").await?);
    let mut lines = ended.output.lines();
    hold!(
        lines.next() == Some("x=1 y"),
        "the environment arrived as `{}`",
        ended.output
    );
    hold!(
        lines.next() == Some("/root"),
        "HOME is not root's: `{}`",
        ended.output
    );
    let names = lines.next().unwrap_or_default();
    let clean = [
        "HOME", "HOSTNAME", "LANG", "LOGNAME", "ODD", "PATH", "PWD", "SHELL", "SHLVL", "TERM", "USER", "_",
    ];
    let strange: Vec<&str> = names
        .split_whitespace()
        .filter(|name| !clean.contains(name))
        .collect();
    hold!(strange.is_empty(), "the environment is not clean: {strange:?}");
    Ok(())
}

pub(super) async fn terminal(ground: &Ground) -> Kept {
    let bed = with_machine(ground).await?;
    let script = "test -t 0 && test -t 1 && test -t 2 && tty; stty size; read line; echo got $line; exit 3";
    let command = Command {
        arguments: ["sh", "-c", script].map(str::to_owned).into(),
        environment: BTreeMap::new(),
        terminal: Some((97, 31)),
    };
    let mut process = bed.backend().open(bed.scope(), "a", &command).await?;
    // Whoever sits at a terminal does not go before the program has ended.
    let mut input = std::mem::replace(&mut process.input, Box::pin(tokio::io::sink()));
    let said = input.write_all(b"words\n").await;
    said.map_err(|error| error.to_string())?;
    input.flush().await.map_err(|error| error.to_string())?;
    let Process {
        mut output,
        mut errors,
        exit,
        ..
    } = process;
    let (mut heard, mut complained) = (Vec::new(), Vec::new());
    let (_, _) = tokio::join!(
        output.read_to_end(&mut heard),
        errors.read_to_end(&mut complained)
    );
    drop(input);
    let ended = Ended::from(Heard {
        code: exit.await?,
        output: heard,
        errors: complained,
    });
    for part in ["/dev/pts/", "31 97", "got words"] {
        hold!(
            ended.output.contains(part),
            "`{part}` is not in `{}`",
            ended.output
        );
    }
    hold!(
        ended.errors.is_empty(),
        "errors come beside the terminal: `{}`",
        ended.errors
    );
    hold!(ended.code == 3, "it ended with {}, not 3", ended.code);
    Ok(())
}

pub(super) async fn unknown(ground: &Ground) -> Kept {
    let bed = with_machine(ground).await?;
    let answer = bed.program("a", &["no-such-program"], b"").await;
    hold!(
        answer.is_err(),
        "a program that is not there came out as {answer:?}"
    );
    let answer = bed.program("nobody", &["true"], b"").await;
    hold!(
        answer.is_err(),
        "a program on a machine that is not there came out as {answer:?}"
    );
    bed.power_off("a").await?;
    let answer = bed.program("a", &["true"], b"").await;
    hold!(
        answer.is_err(),
        "a program on a machine that does not run came out as {answer:?}"
    );
    Ok(())
}

pub(super) async fn root(ground: &Ground) -> Kept {
    let bed = with_machine(ground).await?;
    let said = bed
        .output(
            "a",
            "id -u; cat /proc/1/comm; systemctl is-system-running --wait || true; pwd",
        )
        .await?;
    let lines: Vec<&str> = said.lines().collect();
    hold!(
        lines.starts_with(&["0", "systemd", "running"]),
        "user, first process and state are {lines:?}"
    );
    let said = bed.output("a", "ls /sys/class/net | sort | tr '\\n' ' '").await?;
    hold!(said == "eth0 lo", "its interfaces are `{said}`");
    Ok(())
}

pub(super) async fn agent(ground: &Ground) -> Kept {
    let bed = with_machine(ground).await?;
    let request = Request::Facts { protocol: PROTOCOL };
    let told = |error: crate::observe::LineError| Stop::Failed(format!("the agent: {error}"));
    for _ in 0..3 {
        let mut line = Line::ask(&**bed.backend(), bed.scope(), "a", &request)
            .await
            .map_err(told)?;
        let mut known = BTreeMap::new();
        while let Some(event) = line.next().await.map_err(told)? {
            if let Event::Facts { facts } = event {
                known = facts;
            }
        }
        hold!(
            known.contains_key("boot_id"),
            "the agent does not tell the boot: {known:?}"
        );
    }
    let process = bed.open("a", &[]).await?;
    let ended = Ended::from(talk(process, b"not a request\n").await?);
    let hello = ended.output.lines().next().unwrap_or_default();
    let wanted = crate::agent_program::fingerprint();
    hold!(
        serde_json::from_str::<Event>(hello).is_ok_and(
            |event| matches!(event, Event::Hello { version, .. } if crate::agent_program::is_version_of_program(&version))
        ),
        "the program on the node is not the agent {wanted}: it said `{hello}`"
    );
    Ok(())
}
