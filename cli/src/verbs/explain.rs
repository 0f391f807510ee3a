//! `explain`: the page of an error code, from the program itself, so that it is there when nothing else is.

use slipway_errors::{Code, Coded};

use super::Context;
use crate::config::nearest;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The code, such as SLIP-DRAIN-002; without one, all codes are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Explains.
pub fn run(context: Context<'_>, args: &Args) -> Result<Exit, Failure> {
    let json = context.screen.format() == Format::Json;
    let shape = |code: Code| serde_json::json!({"code": code.as_str(), "title": code.title(), "page": code.page()});
    match &args.code {
        None if json => context.screen.json(&Code::ALL.iter().map(|code| shape(*code)).collect::<Vec<_>>())?,
        None => {
            let width = Code::ALL.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
            for code in Code::ALL {
                context.screen.line(format!("{:<width$}  {}", code.as_str(), code.title()))?;
            }
        }
        Some(text) => {
            let code = Code::parse(text).ok_or_else(|| unknown(text))?;
            if json { context.screen.json(&shape(code))? } else { context.screen.line(code.page().trim_end())? }
        }
    }
    Ok(Exit::Done)
}

fn unknown(text: &str) -> Failure {
    let names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let way = match nearest(text, &names) {
        Some(near) => format!("did you mean {near}? slipway explain lists every code"),
        None => "slipway explain lists every code".to_owned(),
    };
    Coded::new(Code::WIRE_BAD_REQUEST, format!("no error code {text:?}")).do_this(way).into()
}
