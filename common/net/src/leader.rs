//! Of several coordinators one leads. Whoever wants something asks them in turn; one that stands by names the leader, which is asked next.

use std::collections::VecDeque;
use std::future::Future;

use slipway_errors::{Code, Coded};
use slipway_proto::status::{from_status, leader_in};
use tonic::Status;

use crate::explain;

/// One names another, who names another: there is an end to it.
const MOST_HOPS: usize = 6;

/// Why a coordinator did not do what it was asked for, and whom it named.
#[derive(Debug, Clone)]
pub struct Declined {
    /// Why.
    pub error: Coded,
    /// The leader, as it knows it.
    pub leader: Option<String>,
}

impl Declined {
    /// A refusal, in the words of the connection where it was that which failed.
    pub fn explained(status: Status) -> Self {
        Self { error: explain(&status), ..Self::from(status) }
    }
}

impl From<Coded> for Declined {
    fn from(error: Coded) -> Self {
        Self { error, leader: None }
    }
}

impl From<Status> for Declined {
    fn from(status: Status) -> Self {
        Self { leader: leader_in(&status), error: from_status(&status) }
    }
}

/// The addresses in a text such as `m1:7400,m2:7400`.
pub fn addresses(text: &str) -> Vec<String> {
    text.split(',').map(|address| address.trim().to_owned()).filter(|address| !address.is_empty()).collect()
}

/// Asks one after the other until one answers. A refusal of substance is an answer; silence, and another that leads, are none.
pub async fn ask_leader<T, F>(coordinators: &[String], ask: impl Fn(String) -> F) -> Result<T, Coded>
where
    F: Future<Output = Result<T, Declined>>,
{
    let mut waiting: VecDeque<String> = coordinators.iter().cloned().collect();
    let mut last = Coded::new(Code::CONF_BAD_VALUE, "no coordinator is named").do_this("name them, HOST:PORT each");
    for _ in 0..coordinators.len() + MOST_HOPS {
        let Some(address) = waiting.pop_front() else { break };
        match ask(address).await {
            Ok(answer) => return Ok(answer),
            Err(Declined { error, .. }) if !is_no_answer(error.code) => return Err(error),
            Err(Declined { error, leader }) => {
                // Why nobody leads says more than that another host is silent.
                if last.code != Code::STORE_AWAY {
                    last = error;
                }
                if let Some(leader) = leader {
                    waiting.retain(|other| *other != leader);
                    waiting.push_front(leader);
                }
            }
        }
    }
    Err(last)
}

fn is_no_answer(code: Code) -> bool {
    [Code::LEADER_ELSEWHERE, Code::STORE_AWAY, Code::WIRE_UNREACHABLE, Code::WIRE_DEADLINE].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn three() -> Vec<String> {
        addresses("m1:1, m2:1,m3:1")
    }

    fn elsewhere(leader: Option<&str>) -> Declined {
        Declined { error: Coded::new(Code::LEADER_ELSEWHERE, "not me"), leader: leader.map(str::to_owned) }
    }

    #[tokio::test]
    async fn the_leader_is_found_by_whoever_answers_first() {
        let asked = Mutex::new(Vec::new());
        let ask = |address: String| {
            asked.lock().unwrap().push(address.clone());
            std::future::ready(match address.as_str() {
                "m1:1" => Err(Coded::new(Code::WIRE_UNREACHABLE, "down").into()),
                "m2:1" => Err(elsewhere(Some("m3:1"))),
                _ => Ok(address),
            })
        };
        assert_eq!(ask_leader(&three(), ask).await.unwrap(), "m3:1");
        assert_eq!(*asked.lock().unwrap(), ["m1:1", "m2:1", "m3:1"]);
    }

    #[tokio::test]
    async fn that_nobody_can_lead_is_told_however_many_are_silent() {
        let ask = |address: String| {
            let code = if address == "m2:1" { Code::STORE_AWAY } else { Code::WIRE_UNREACHABLE };
            std::future::ready(Err::<(), _>(Coded::new(code, "so it is").into()))
        };
        assert_eq!(ask_leader(&three(), ask).await.unwrap_err().code, Code::STORE_AWAY);
    }

    #[tokio::test]
    async fn a_refusal_of_substance_is_final_and_two_that_name_each_other_end() {
        let all = three();
        let refuse = |_| std::future::ready(Err::<(), _>(Coded::new(Code::AUTH_ROLE, "no").into()));
        assert_eq!(ask_leader(&all, refuse).await.unwrap_err().code, Code::AUTH_ROLE);
        let circle = |address: String| {
            let other = if address == "m1:1" { "m2:1" } else { "m1:1" };
            std::future::ready(Err::<(), _>(elsewhere(Some(other))))
        };
        assert_eq!(ask_leader(&all, circle).await.unwrap_err().code, Code::LEADER_ELSEWHERE);
        let nobody = ask_leader(&[], |_| std::future::ready(Ok(()))).await.unwrap_err();
        assert_eq!(nobody.code, Code::CONF_BAD_VALUE);
    }
}
