//! Asking a person what nobody else can know: whether a command that was broken off has happened.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::pin::Pin;
use std::sync::Arc;

use rebar_compiler::plan::Plan;
use rebar_runtime::execute::{Answers, Asker, Told};

use crate::exit::Exit;
use crate::report::Failure;

/// What was said with `--assume`, and whom to ask about the rest: nobody where there is no terminal, or where output is
/// for programs.
///
/// # Errors
/// `E1630` for an answer that is none.
pub(crate) fn answers(assume: &[String], json: bool) -> Result<Answers, Failure> {
    let mut all = BTreeMap::new();
    for text in assume {
        let (step, done) = assumed(text)?;
        if all.insert(step.clone(), done).is_some_and(|other| other != done) {
            return Err(
                Failure::new("E1630", format!("`{step}` is said to be both done and not done"))
                    .help("give one answer for each step")
                    .exit(Exit::Usage),
            );
        }
    }
    let assumed = all;
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let asker = (terminal && !json).then(|| Arc::new(ask) as Asker);
    Ok(Answers { assumed, asker })
}

/// Fails when an answer is about a step that the plan does not have: it would be waited for in vain.
///
/// # Errors
/// `E1630`.
pub(crate) fn known(answers: &Answers, plan: &Plan) -> Result<(), Failure> {
    for subject in answers.assumed.keys() {
        let found = subject.split_once('/').and_then(|(node, step)| {
            let row = plan.nodes.iter().find(|row| row.name == node)?;
            let segments = &plan.patterns.get(row.pattern)?.segments;
            // Names of runs, such as `kv.install`, and keys in names of steps may hold dots.
            segments.iter().find_map(|segment| {
                let name = step.strip_prefix(&segment.run)?.strip_prefix('.')?;
                segment.steps.iter().find(|step| step.name == name)
            })
        });
        if found.is_none() {
            return Err(Failure::new("E1630", format!("the plan has no step `{subject}`"))
                .help("write node, run and step as the error names them: `web-1/cluster.init=done`")
                .exit(Exit::Usage));
        }
    }
    Ok(())
}

fn assumed(text: &str) -> Result<(String, bool), Failure> {
    let wrong = || {
        Failure::new(
            "E1630",
            format!("`{text}` does not say whether a step has happened"),
        )
        .help("write `--assume 'web-1/cluster.init=done'`, or `=not-done`")
        .exit(Exit::Usage)
    };
    let (step, told) = text.rsplit_once('=').ok_or_else(wrong)?;
    if !step.contains('/') {
        return Err(wrong());
    }
    match told {
        "done" => Ok((step.to_owned(), true)),
        "not-done" => Ok((step.to_owned(), false)),
        _ => Err(wrong()),
    }
}

fn ask(subject: String, message: String) -> Pin<Box<dyn Future<Output = Told> + Send>> {
    Box::pin(async move {
        let answer = tokio::task::spawn_blocking(move || {
            super::tell(&format!(
                "{message}\nHas `{subject}` happened? [done / not-done / stop] "
            ));
            loop {
                let mut line = String::new();
                match std::io::stdin().read_line(&mut line) {
                    Ok(0) | Err(_) => return Told::Stop,
                    Ok(_) => {}
                }
                match line.trim() {
                    "done" => return Told::Done,
                    "not-done" => return Told::NotDone,
                    "stop" => return Told::Stop,
                    _ => super::tell("Write `done`, `not-done` or `stop`: "),
                }
            }
        });
        answer.await.unwrap_or(Told::Stop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_which_step_and_what_became_of_it() {
        let both = [
            "web-1/db.init=done".to_owned(),
            "web-2/db.init=not-done".to_owned(),
        ];
        let answers = answers(&both, true).unwrap();
        assert_eq!(
            answers.assumed.into_iter().collect::<Vec<_>>(),
            [
                ("web-1/db.init".to_owned(), true),
                ("web-2/db.init".to_owned(), false)
            ]
        );
        for wrong in ["web-1/db.init", "db.init=done", "web-1/db.init=maybe"] {
            assert_eq!(assumed(wrong).unwrap_err().code, "E1630");
        }
    }
}
