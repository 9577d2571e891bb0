//! The real programs in real time: killed in the middle of a day, and started again on the same data.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Longer than any machine takes.
const PATIENCE: Duration = Duration::from_secs(600);

/// The folder of the built programs.
fn programs() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap().to_owned();
    let program = folder.join("afferent-local");
    assert!(program.is_file(), "{} is not built: `make test` builds it", program.display());
    folder
}

struct Run {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Run {
    fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(programs().join("afferent-local"))
            .args(["run", "--bare", "--data"])
            .arg(data)
            .args(more)
            .env_remove("WITHINGS_API_URL")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that `wanted` makes something of.
    async fn wait_for<T>(&mut self, wanted: impl Fn(&str) -> Option<T>) -> T {
        let search = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if let Some(found) = wanted(&line) {
                    return found;
                }
            }
            panic!("the program ended");
        };
        timeout(PATIENCE, search).await.expect("what is waited for does not come")
    }
}

/// `all done  12 notifications (0 waiting, 0 quarantined), …, 30 of 30 deliveries made`: how many notifications, if
/// none is quarantined and something was delivered.
fn all_done(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("all done")?;
    let quiet = rest.contains("(0 waiting, 0 quarantined)") && !rest.contains(" 0 of 0 deliveries");
    rest.trim().split(' ').next()?.parse().ok().filter(|_| quiet)
}

fn answered_200(line: &str) -> Option<()> {
    (line.contains("notification") && line.ends_with("-> 200")).then_some(())
}

#[tokio::test]
async fn every_notification_that_was_answered_200_is_delivered_after_a_kill_9_and_a_restart() {
    let data = std::env::temp_dir().join(format!("afferent-restart-{}", std::process::id()));
    let mut first = Run::start(&data, &["--gap-ms", "120"]);
    for _ in 0..7 {
        first.wait_for(answered_200).await;
    }
    // SIGKILL: nothing is flushed, nothing said goodbye to.
    first.child.kill().await.unwrap();

    let mut second = Run::start(&data, &["--quiet"]);
    // "All done" may come before the last of them is taken from the queue; what counts is that all come.
    second.wait_for(|line| all_done(line).filter(|notifications| *notifications >= 7)).await;
    second.child.kill().await.unwrap();
    std::fs::remove_dir_all(data).unwrap();
}
