//! The one writer. It gathers what has come in while the last commit was on its way to the disk, and commits it together: many writers share one
//! sync, and each is answered only when its own write is on the disk.
//!
//! When a commit fails by an I/O error nobody knows what the disk has: from then on nothing is written until the store is opened anew.

use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failure::failed;
use super::statement;
use crate::Error;

/// How many writes may wait.
const MOST_WAITING: usize = 1_024;

/// How many writes one commit takes.
const MOST_TOGETHER: usize = 256;

/// Tells whoever asked, once it is known whether the commit went through.
type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// A write, done inside a savepoint; or the reason why it is not even tried. Says why it failed, if it did.
type Job = Box<dyn FnOnce(Result<&Connection, Error>) -> (Answer, Option<Error>) + Send>;

pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, Error> {
        let (jobs, asked) = mpsc::channel(MOST_WAITING);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(&connection, asked))
            .map_err(|error| Error::Io { doing: "starting the store's writer", why: error.to_string() })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Does a write, and returns when it is on the disk. `then` happens right after the commit, in the order of the commits, also when whoever
    /// asked does not wait for the answer any more.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let done = connection.and_then(write);
            let failed = done.as_ref().err().cloned();
            let answer: Answer = Box::new(move |committed| {
                let done = done.and_then(|value| committed.map(|()| value));
                if let Ok(value) = &done {
                    then(value);
                }
                // Whoever asked may have gone.
                let _ = answer.send(done);
            });
            (answer, failed)
        });
        let gone = || Error::Io { doing: "writing to the store", why: "the writer has ended".to_owned() };
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    /// What was asked for is still written; then the file is free.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, mut asked: mpsc::Receiver<Job>) {
    let mut broken: Option<Error> = None;
    while let Some(first) = asked.blocking_recv() {
        let mut jobs = vec![first];
        while jobs.len() < MOST_TOGETHER
            && let Ok(job) = asked.try_recv()
        {
            jobs.push(job);
        }
        if let Some(why) = &broken {
            for job in jobs {
                let (answer, _) = job(Err(why.clone()));
                answer(Err(why.clone()));
            }
            continue;
        }
        let (answers, committed) = together(connection, jobs);
        if let Err(why @ Error::Io { .. }) = &committed {
            tracing::error!(%why, "the store cannot tell what is on the disk; it takes no more writes until it is opened again");
            broken = Some(why.clone());
        }
        for answer in answers {
            answer(committed.clone());
        }
    }
}

/// Does all jobs in one transaction, each in a savepoint of its own, so that one that is refused takes back only its own writes.
fn together(connection: &Connection, jobs: Vec<Job>) -> (Vec<Answer>, Result<(), Error>) {
    let doing = "writing to the store";
    let run = |sql: &str| statement::run(connection, sql, []).map_err(failed(doing));
    let mut answers = Vec::with_capacity(jobs.len());
    let mut state = run("BEGIN IMMEDIATE");
    for job in jobs {
        state = state.and_then(|()| run("SAVEPOINT one"));
        if let Err(why) = &state {
            answers.push(job(Err(why.clone())).0);
            continue;
        }
        let (answer, refused) = job(Ok(connection));
        answers.push(answer);
        state = match refused {
            None => run("RELEASE one"),
            // A full disk or an I/O error makes SQLite take back the whole transaction: then nothing of this group was written.
            Some(why) if connection.is_autocommit() => Err(why),
            Some(_) => run("ROLLBACK TO one").and_then(|()| run("RELEASE one")),
        };
    }
    let committed = state.and_then(|()| run("COMMIT"));
    if committed.is_err() && !connection.is_autocommit() {
        // A transaction that cannot be taken back either ends with the connection.
        let _ = run("ROLLBACK");
    }
    (answers, committed)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A job that runs some SQL and then says `verdict`; its answer goes to `told`.
    fn job(sql: &'static str, verdict: Result<(), Error>, told: &mpsc::Sender<Result<(), Error>>) -> Job {
        let told = told.clone();
        Box::new(move |connection| {
            let done = connection.and_then(|connection| {
                connection.execute_batch(sql).map_err(failed("testing"))?;
                verdict
            });
            let refused = done.as_ref().err().cloned();
            (Box::new(move |committed| told.send(done.and(committed)).unwrap()), refused)
        })
    }

    /// Runs jobs as one group: what each was told, and what is in the table afterwards.
    fn group(jobs: &[(&'static str, Result<(), Error>)]) -> (Vec<Result<(), Error>>, Vec<i64>) {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
        let (told, heard) = mpsc::channel();
        let jobs = jobs.iter().map(|(sql, verdict)| job(sql, verdict.clone(), &told)).collect();
        let (answers, committed) = together(&connection, jobs);
        for answer in answers {
            answer(committed.clone());
        }
        drop(told);
        let mut rows = connection.prepare("SELECT n FROM t ORDER BY n").unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        (heard.iter().collect(), rows)
    }

    #[test]
    fn one_that_is_refused_takes_back_its_own_writes_alone() {
        let no = Err(Error::Conflict("no".to_owned()));
        let (told, rows) = group(&[
            ("INSERT INTO t VALUES (1)", Ok(())),
            ("INSERT INTO t VALUES (2)", no.clone()),
            ("INSERT INTO t VALUES (3)", Ok(())),
        ]);
        assert_eq!(told, [Ok(()), no, Ok(())]);
        assert_eq!(rows, [1, 3]);
    }

    #[test]
    fn when_the_whole_transaction_is_lost_nobody_is_told_yes_and_nothing_is_written() {
        let full = Err(Error::Full { doing: "testing" });
        let (told, rows) = group(&[
            ("INSERT INTO t VALUES (1)", Ok(())),
            ("ROLLBACK", full.clone()),
            ("INSERT INTO t VALUES (3)", Ok(())),
        ]);
        assert_eq!(told, [full.clone(), full.clone(), full]);
        assert_eq!(rows, [0; 0]);
    }
}
