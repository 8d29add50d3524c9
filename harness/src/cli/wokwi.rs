//! `benchrig serve --wokwi`: a server for Wokwi's own clients.

use std::net::SocketAddr;

use super::doors::bench;
use super::images::resolver;
use super::targets::NoTarget;
use super::terminal::Terminal;
use crate::serve::doors::Reach;
use crate::serve::pacer::Pace;
use crate::serve::token::Token;
use crate::site::{Folders, Site};
use crate::targets::emulated::EmulatorSource;
use crate::wokwi::guest_network;
use crate::wokwi::server::{Host, Server};

/// What is asked for on the command line.
pub(super) struct Wokwi {
    pub(super) address: SocketAddr,
    pub(super) reach: Reach,
    pub(super) token: Option<String>,
    pub(super) pace: Pace,
    pub(super) seed: u64,
    pub(super) source: EmulatorSource,
    pub(super) surroundings: Option<(Option<Site>, Folders)>,
}

impl Wokwi {
    /// Opens the port, tells it and then `ready` on stdout, and serves until Ctrl-C.
    pub(super) fn serve(self, terminal: &Terminal) -> Result<(), NoTarget> {
        let project = std::env::current_dir().map_err(bench)?;
        let (site, folders) =
            self.surroundings.unwrap_or_else(|| (Some(guest_network()), Folders::new()));
        let (remarks, said) = std::sync::mpsc::channel();
        let host = Host {
            source: Box::new(self.source),
            firmware: resolver(&project).map_err(bench)?,
            site,
            folders,
            seed: self.seed,
            token: self.token.as_deref().and_then(Token::new),
            pace: self.pace,
            remarks: Box::new(move |text| {
                // Nobody is there to hear it any more when the server ends.
                let _ = remarks.send(text);
            }),
        };
        let server = Server::open(self.address, self.reach, host).map_err(bench)?;
        let stop = server.stop().map_err(bench)?;
        terminal.say(format_args!("wokwi ws://{}", server.address().map_err(bench)?));
        terminal.say("ready");
        let ends = stop.clone();
        // Without a handler Ctrl-C still ends the program, only without farewell.
        let _ = ctrlc::set_handler(move || ends.stop());
        std::thread::scope(|scope| {
            // It owns the remarks, so that they end with it.
            scope.spawn(move || server.serve(&stop));
            said.iter().for_each(|remark: String| terminal.tell(remark));
        });
        Ok(())
    }
}
