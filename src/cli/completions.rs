//! `harvestd completions`: completion scripts for shells.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  harvestd completions bash > /etc/bash_completion.d/harvestd
  harvestd completions zsh > \"${fpath[1]}/_harvestd\"
  harvestd completions fish > ~/.config/fish/completions/harvestd.fish")]
pub struct Args {
    /// The shell
    pub shell: Shell,
}

/// Writes the script to `out`.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<()> {
    // The generator panics when it cannot write, and a buffer can always be written.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "harvestd", &mut script);
    out.write_all(&script)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            run(&Args { shell: *shell }, &mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell} {}",
                    command.get_name()
                );
            }
        }
    }
}
