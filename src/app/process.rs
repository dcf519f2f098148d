//! This process, and whether another one that left its particulars is still alive.

use std::fs;

use crate::port::runs::RunProcess;

/// The particulars of this process.
pub fn own() -> RunProcess {
    let pid = std::process::id();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    RunProcess { host, pid, mark: machine().and_then(|machine| Some(format!("{machine}/{}", started(pid)?))) }
}

/// Whether that process is alive; `None` where it is on another machine, or in another container
/// of this one, so that nobody here can tell.
pub fn is_alive(process: &RunProcess) -> Option<bool> {
    let (machine_then, started_then) = process.mark.as_deref()?.rsplit_once('/')?;
    if machine()? != machine_then {
        return None;
    }
    Some(started(process.pid).as_deref() == Some(started_then))
}

/// This boot of this machine, and the namespace in which its processes are numbered.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), space.display()))
}

/// When the process of that number began, in ticks since the boot; `None` where there is none, or
/// it is dead and only waits for its parent to take note.
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_are_told_from_the_dead() {
        if machine().is_none() {
            return;
        }
        let own = own();
        assert_eq!(is_alive(&own), Some(true));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let started = started(child.id()).unwrap();
        let other = RunProcess {
            pid: child.id(),
            mark: Some(format!("{}/{started}", machine().unwrap())),
            ..own.clone()
        };
        assert_eq!(is_alive(&other), Some(true));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(is_alive(&other), Some(false));
        // The same number, another process.
        let reused = RunProcess { mark: Some(format!("{}/1", machine().unwrap())), ..own.clone() };
        assert_eq!(is_alive(&reused), Some(false));
        let elsewhere = RunProcess { mark: Some("boot/pid:[1]/1".to_owned()), ..own.clone() };
        assert_eq!(is_alive(&elsewhere), None);
        assert_eq!(is_alive(&RunProcess { mark: None, ..own }), None);
    }
}
