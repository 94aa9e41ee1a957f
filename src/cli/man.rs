//! `harvestd man`: the manual pages.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;

use super::args::Cli;

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd man | man -l -                        read the main page
  harvestd man --dir /usr/local/share/man/man1   write one page for each command")]
pub struct Args {
    /// Write all pages into this directory, which is created if it is missing; without this option,
    /// the main page goes to standard output
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// Writes the pages.
///
/// # Errors
/// When the directory or `out` cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<()> {
    match &args.dir {
        None => {
            let mut page = Vec::new();
            Man::new(Cli::command().disable_help_subcommand(true)).render(&mut page)?;
            out.write_all(&page)?;
        }
        Some(dir) => {
            let failed = || format!("cannot write manual pages into {}", dir.display());
            std::fs::create_dir_all(dir).with_context(failed)?;
            clap_mangen::generate_to(Cli::command(), dir).with_context(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().join("man1");
        run(
            &Args {
                dir: Some(dir.clone()),
            },
            &mut Vec::new(),
        )
        .unwrap();
        for command in Cli::command().get_subcommands() {
            let name = format!("harvestd-{}.1", command.get_name());
            let page = std::fs::read_to_string(dir.join(&name)).unwrap();
            assert!(page.contains(".TH"), "{name}");
        }
        let mut page = Vec::new();
        run(&Args { dir: None }, &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert_eq!(
            page,
            std::fs::read_to_string(dir.join("harvestd.1")).unwrap()
        );
        assert!(page.contains("Exit status"));
    }
}
