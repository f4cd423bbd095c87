//! What nobody but a person can know: whether a `once` command that was broken off has happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use rebar_agent::protocol::{PROTOCOL, Request as Ask};

use super::calls::Calls;
use super::cancel::Urgency;
use super::event::Event;
use super::outcome::Stop;
use super::seat;
use crate::observe::{Line, LineError};

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It has happened: it is not run again.
    Done,
    /// It has not: it is run again.
    NotDone,
    /// Nothing is to be done about it now; the step fails.
    Stop,
}

/// Asks a person about a step (`web-1/cluster.init`); the text says what is known of it.
pub type Asker = Arc<dyn Fn(String, String) -> BoxFuture<'static, Told> + Send + Sync>;

/// Who is asked.
#[derive(Clone, Default)]
pub struct Answers {
    /// What a person has said beforehand, by step (`web-1/cluster.init`): whether it has happened.
    pub assumed: BTreeMap<String, bool>,
    /// Whom to ask about others; nobody where there is no terminal.
    pub asker: Option<Asker>,
}

impl Calls {
    /// Finds out from a person whether a step has happened, and tells the node; `false` if nobody can say.
    pub(super) async fn settle_once(&self, node: &str, step: &str, message: &str) -> Result<bool, Stop> {
        let subject = format!("{node}/{step}");
        let told = match (self.answers.assumed.get(&subject), &self.answers.asker) {
            (Some(true), _) => Told::Done,
            (Some(false), _) => Told::NotDone,
            (None, None) => return Ok(false),
            (None, Some(asker)) => {
                seat::leave();
                // One question at a time.
                let _turn = self.question.lock().await;
                self.tell(Event::Asking {
                    subject: subject.clone(),
                });
                let told = tokio::select! {
                    told = asker(subject.clone(), message.to_owned()) => Some(told),
                    () = self.cancel.beyond(Urgency::Run) => None,
                };
                self.tell(Event::Answered {
                    subject: subject.clone(),
                });
                match told {
                    Some(told) if seat::take(&self.cancel).await => told,
                    Some(_) | None => return Err(Stop::Interrupted),
                }
            }
        };
        let done = match told {
            Told::Stop => return Ok(false),
            Told::Done => true,
            Told::NotDone => false,
        };
        // A node that does not take the answer leaves things as they are: the step fails, and asks again next time.
        Ok(self.tell_node(node, step, done).await.is_ok())
    }

    async fn tell_node(&self, node: &str, step: &str, done: bool) -> Result<(), LineError> {
        let request = Ask::Settle {
            protocol: PROTOCOL,
            deploy: self.scope.deploy_id.clone(),
            epoch: self.epoch,
            address: step.to_owned(),
            done,
        };
        let mut line = Line::ask(&*self.backend, &self.scope, node, &request).await?;
        while line.next_within(self.retry.silence).await?.is_some() {}
        Ok(())
    }
}
