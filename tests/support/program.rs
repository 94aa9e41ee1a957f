//! Runs the built program.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The output and the exit status of a run of the program.
#[derive(Debug)]
pub struct Output {
    /// The exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Panics with all output unless the program succeeded.
    pub fn success(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:#?}");
        self
    }

    /// Panics with all output unless the program ended with `status`.
    pub fn failure(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{self:#?}");
        self
    }
}

/// Runs the program with these arguments to its end.
pub async fn harvestd(arguments: &[&str]) -> Output {
    Program::new(arguments).run().await
}

/// The program, before it runs: without the caller's settings and without colours.
pub struct Program {
    command: Command,
}

impl Program {
    /// The program with these arguments.
    pub fn new(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harvestd"));
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("HARVESTD_") || name_text.ends_with("_proxy") {
                command.env_remove(&name);
            }
        }
        command
            .args(arguments)
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { command }
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in this directory.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Writes standard error to a new file, so that it can be read while the program runs.
    pub fn log_to(mut self, path: impl AsRef<Path>) -> Self {
        let file = std::fs::File::create(path).expect("the test's directory can be written");
        self.command.stderr(file);
        self
    }

    /// Starts the program.
    pub fn spawn(mut self) -> Running {
        let child = self
            .command
            .spawn()
            .expect("the built program can be started");
        Running { child: Some(child) }
    }

    /// Runs the program to its end, without blocking the repository in this process.
    pub async fn run(self) -> Output {
        self.spawn().wait().await
    }
}

/// A started program. It is killed when the value is dropped.
pub struct Running {
    child: Option<Child>,
}

impl Running {
    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Sends a signal such as `TERM`, `HUP` or `KILL`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status()
            .expect("the system has a kill command");
        assert!(sent.success(), "{name} could not be sent");
    }

    /// Sends a signal again and again until the program ends: of two signals in quick succession the system
    /// may deliver one.
    pub async fn insist(mut self, name: &str) -> Output {
        while !self.ended() {
            self.signal(name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.wait().await
    }

    /// Kills the program with SIGKILL. If it has ended by itself, its status is kept.
    pub async fn kill(mut self) -> Output {
        let child = self.child.as_mut().expect("only wait takes the child");
        // This fails if the program has ended.
        let _ = child.kill();
        self.wait().await
    }

    /// Whether the program has ended.
    pub fn ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("only wait takes the child");
        child.try_wait().expect("the program is ours").is_some()
    }

    /// Waits for the program's end.
    pub async fn wait(mut self) -> Output {
        let child = self
            .child
            .take()
            .expect("only wait takes the child, and takes self");
        let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
        let output = waiting
            .await
            .expect("waiting does not panic")
            .expect("the program ran");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Output {
            status: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
