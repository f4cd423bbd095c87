//! Which engine, or which folder of which host, has a deploy's machines.

use rusqlite::{OptionalExtension, params};

use super::error::StateError;
use super::{State, Token};
use crate::backend::Backend;

impl State {
    /// Fails when something of the deploy stands and `backend` speaks for another engine than the one that made it: that
    /// one would say of everything that it is gone.
    ///
    /// # Errors
    /// [`StateError::OtherEngine`]; those of reading. A backend that cannot be asked is no error here: asking it what
    /// is there tells better why.
    pub async fn same_engine(&self, deploy: &str, backend: &dyn Backend) -> Result<(), StateError> {
        let Some(recorded) = self.engine(deploy).await? else {
            return Ok(());
        };
        match backend.identity().await {
            Ok(Some(found)) if found != recorded => Err(StateError::OtherEngine {
                deploy: deploy.to_owned(),
                recorded,
                found,
            }),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Checks as [`State::same_engine`], and remembers who it is, before anything is made.
    ///
    /// # Errors
    /// Those of [`State::same_engine`], and of writing.
    pub async fn hold_engine(&self, token: &Token, backend: &dyn Backend) -> Result<(), StateError> {
        self.same_engine(&token.deploy, backend).await?;
        let Ok(Some(found)) = backend.identity().await else {
            return Ok(());
        };
        let deploy = token.deploy.clone();
        self.write(move |connection| {
            connection.execute(
                "UPDATE deploy SET engine = ?2 WHERE name = ?1 AND engine IS NOT ?2",
                params![deploy, found],
            )?;
            Ok(())
        })
        .await
    }

    /// Who made what stands of a deploy; nothing where nothing stands, or that is not known.
    async fn engine(&self, deploy: &str) -> Result<Option<String>, StateError> {
        let deploy = deploy.to_owned();
        self.read(move |connection| {
            let engine: Option<Option<String>> = connection
                .query_row(
                    "SELECT engine FROM deploy d WHERE name = ?1 AND (EXISTS (SELECT 1 FROM machine WHERE deploy = d.name)
                       OR EXISTS (SELECT 1 FROM network WHERE deploy = d.name)
                       OR EXISTS (SELECT 1 FROM run WHERE deploy = d.name AND closed IS NULL))",
                    params![deploy],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(engine.flatten())
        })
        .await
    }
}
