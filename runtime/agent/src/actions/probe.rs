//! `probe`: waits until something answers.

use std::time::{Duration, Instant};

use super::{Action, Effect, Node, compared};
use crate::failure::{Failure, Refusal};
use crate::fields::Fields;
use crate::http::{self, Target};
use crate::ownership::{Former, Known};
use crate::protocol::Observation;
use crate::text;

/// One try takes no longer.
const ONE_TRY: Duration = Duration::from_secs(10);

/// An answer as desired.
#[derive(Debug)]
pub(crate) struct Probe {
    url: String,
    question: Question,
    within: Duration,
    every: Duration,
}

#[derive(Debug)]
enum Question {
    /// A page with this status and, perhaps, this text.
    Page {
        target: Target,
        status: u16,
        contains: Option<String>,
    },
    /// A connection.
    Connection(Target),
}

impl Probe {
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Probe, Refusal> {
        let url = fields.text("url")?;
        let status = fields.optional_number("status")?.unwrap_or(200);
        let status = u16::try_from(status)
            .ok()
            .filter(|status| (100..600).contains(status))
            .ok_or_else(|| fields.wrong("status", format!("`{status}` is not between 100 and 599")))?;
        let contains = fields.optional_text("contains")?;
        let wrong = |fields: &Fields<'_>, why: String| fields.wrong("url", format!("`{url}`: {why}"));
        let question = if let Some(rest) = url.strip_prefix("http://") {
            let target = http::parse(rest, Some(80)).map_err(|why| wrong(fields, why))?;
            Question::Page {
                target,
                status,
                contains,
            }
        } else if let Some(rest) = url.strip_prefix("tcp://") {
            Question::Connection(http::parse(rest, None).map_err(|why| wrong(fields, why))?)
        } else if url.starts_with("https://") {
            let why = "a probe cannot ask with https yet; use `tcp://host:443`, or a `command` with `unless`";
            return Err(wrong(fields, why.to_owned()));
        } else {
            return Err(wrong(
                fields,
                "a probe asks `http://…` or `tcp://host:port`".to_owned(),
            ));
        };
        let within = fields.duration_or("within", Duration::from_secs(30))?;
        let every = fields
            .duration_or("every", Duration::from_millis(500))?
            .max(Duration::from_millis(10));
        Ok(Probe {
            url,
            question,
            within,
            every,
        })
    }

    /// One try: nothing when it answers as desired, else what it did instead.
    fn attempt(&self, node: &Node<'_>, deadline: Instant) -> Option<String> {
        match &self.question {
            Question::Connection(target) => http::connect(node.root, target, deadline).err(),
            Question::Page {
                target,
                status,
                contains,
            } => match http::get(node.root, target, deadline) {
                Err(why) => Some(why),
                Ok(page) if page.status != *status => Some(format!("answers {}, not {status}", page.status)),
                Ok(page) => contains
                    .as_ref()
                    .filter(|text| !String::from_utf8_lossy(&page.body).contains(text.as_str()))
                    .map(|text| format!("answers {status} without the text `{}`", text::shorten(text, 60))),
            },
        }
    }
}

impl Action for Probe {
    fn observe(&self, node: &Node<'_>, _known: &Known) -> Result<Observation, Failure> {
        let differences: Vec<String> = self.attempt(node, Instant::now() + ONE_TRY).into_iter().collect();
        Ok(compared(&differences))
    }

    fn former(&self, _node: &Node<'_>) -> Result<Former, Failure> {
        Ok(Former::Absent)
    }

    fn ensure(&self, node: &Node<'_>, _known: &Known) -> Result<Effect, Failure> {
        let deadline = Instant::now() + self.within;
        let mut tries = 0_u64;
        loop {
            tries += 1;
            // Even where hardly any time is left, one try is a fair one.
            let until =
                (Instant::now() + ONE_TRY).min(deadline.max(Instant::now() + Duration::from_millis(100)));
            let Some(why) = self.attempt(node, until) else {
                let note = if tries == 1 {
                    "answers".to_owned()
                } else {
                    format!("answers at try {tries}")
                };
                return Ok(Effect::unchanged(note));
            };
            if Instant::now() + self.every >= deadline {
                let within = text::duration(self.within);
                let message = format!("`{}` did not answer as desired within {within}: {why}", self.url);
                return Err(Failure::terminal(message));
            }
            if tries == 1 {
                (node.progress)(&format!("waiting for `{}`: {why}", self.url));
            }
            std::thread::sleep(self.every);
        }
    }

    fn undo(&self, _node: &Node<'_>, _known: &Known, _former: &Former) -> Result<Effect, Failure> {
        Ok(Effect::unchanged("nothing to undo"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::super::testing::{Bench, action, step};
    use super::*;
    use serde_json::json;

    /// Answers each connection in turn.
    fn server(answers: Vec<&'static str>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        port
    }

    const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const BAD: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";

    fn probe(port: u16, contains: &str) -> Box<dyn Action> {
        action(
            "probe",
            json!({ "url": format!("http://127.0.0.1:{port}/"), "contains": contains,
                    "within": 5_000_000_000_u64, "every": 10_000_000 }),
        )
    }

    #[test]
    fn it_waits_for_the_desired_answer() {
        let bench = Bench::new();
        let port = server(vec![
            BAD,
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwait",
            GOOD,
        ]);
        assert_eq!(
            bench.ensure(&*probe(port, "hello")).unwrap().note,
            "answers at try 3"
        );
    }

    #[test]
    fn one_try_tells_what_it_answers() {
        let bench = Bench::new();
        let port = server(vec![BAD, GOOD, GOOD]);
        assert_eq!(bench.observe(&*probe(port, "hello")), "answers 503, not 200");
        assert_eq!(
            bench.observe(&*probe(port, "bye")),
            "answers 200 without the text `bye`"
        );
        assert_eq!(bench.observe(&*probe(port, "hello")), "in sync");
    }

    #[test]
    fn it_gives_up_with_the_last_reason() {
        let bench = Bench::new();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let probe = action(
            "probe",
            json!({ "url": format!("tcp://127.0.0.1:{port}"), "within": 50_000_000 }),
        );
        let message = bench.ensure(&*probe).unwrap_err().message;
        assert!(
            message.ends_with("did not answer as desired within 50ms: connection refused"),
            "{message}"
        );
    }

    #[test]
    fn a_server_that_says_nothing_does_not_hold_us_up() {
        let bench = Bench::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let probe = action("probe", json!({ "url": url, "within": 200_000_000 }));
        let begin = Instant::now();
        assert!(
            bench
                .ensure(&*probe)
                .unwrap_err()
                .message
                .ends_with("no answer in time")
        );
        assert!(begin.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn a_connection_is_enough_for_tcp() {
        let bench = Bench::new();
        bench.write("/etc/hosts", "127.0.0.1 here\n");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("tcp://here:{}", listener.local_addr().unwrap().port());
        assert_eq!(bench.observe(&*action("probe", json!({ "url": url }))), "in sync");
    }

    #[test]
    fn other_schemes_are_refused() {
        for url in ["https://a/", "ftp://a/", "tcp://a"] {
            let refused = super::super::parse(&step("probe", json!({ "url": url })))
                .err()
                .unwrap();
            assert!(refused.message.contains(url), "{}", refused.message);
        }
    }
}
