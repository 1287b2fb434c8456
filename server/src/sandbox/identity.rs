//! User, groups and capabilities of a process.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, User, getresgid, getresuid, setgroups, setresgid, setresuid, setuid};
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde::{Deserialize, Serialize};

use crate::own_folder::OWN_FOLDER;

/// A user of the machine and its first group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub name: String,
    pub user: u32,
    pub group: u32,
}

impl Identity {
    /// # Errors
    /// In plain words: there is no such user, or it is root, or nobody but root can become it.
    pub fn of_user(name: &str) -> Result<Self, String> {
        let found = User::from_name(name)
            .map_err(|error| format!("cannot look for the user {name}: {error}"))?;
        let user = found.ok_or_else(|| format!("there is no user {name} on this machine"))?;
        if user.uid.is_root() {
            return Err(format!("user {name} is root, which isolates nothing"));
        }
        if !rustix::process::geteuid().is_root() {
            return Err(format!("only root can run a plugin as user {name}; leave user out"));
        }
        Ok(Self { name: name.to_owned(), user: user.uid.as_raw(), group: user.gid.as_raw() })
    }

    /// Lets this user read a private copy, and no other.
    ///
    /// # Errors
    /// The copy, or its folder, is not ours.
    pub fn let_read(&self, copy: &Path) -> std::io::Result<()> {
        std::os::unix::fs::chown(copy, None, Some(self.group))?;
        std::fs::set_permissions(copy, Permissions::from_mode(0o640))?;
        let folder = copy.parent().filter(|folder| folder.ends_with(OWN_FOLDER));
        match folder {
            // Others may go through it to what they know the name of, and may read.
            Some(folder) => std::fs::set_permissions(folder, Permissions::from_mode(0o711)),
            None => Ok(()),
        }
    }

    /// Becomes this user, with no way back, and makes sure of it.
    ///
    /// # Errors
    /// In plain words: a step has failed, and the process must not go on.
    pub fn assume(&self) -> Result<(), String> {
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
        let failed = |what: &str, error: nix::Error| {
            format!("cannot become user {}: {what}: {error}", self.name)
        };
        setgroups(&[]).map_err(|error| failed("setgroups", error))?;
        setresgid(group, group, group).map_err(|error| failed("setresgid", error))?;
        setresuid(user, user, user).map_err(|error| failed("setresuid", error))?;
        let users = getresuid().map_err(|error| failed("getresuid", error))?;
        let groups = getresgid().map_err(|error| failed("getresgid", error))?;
        let is_user = [users.real, users.effective, users.saved] == [user; 3];
        let is_group = [groups.real, groups.effective, groups.saved] == [group; 3];
        if !is_user || !is_group || setuid(Uid::from_raw(0)).is_ok() {
            return Err(format!("became user {} only in part", self.name));
        }
        Ok(())
    }
}

/// Gives up what root can do beyond owning files. `true`: there was something to give up.
///
/// # Errors
/// In plain words: they could not be given up, and the process must not go on.
pub fn drop_capabilities() -> Result<bool, String> {
    let failed = |error| format!("cannot give up capabilities: {error}");
    let present = rustix::thread::capabilities(None).map_err(failed)?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).map_err(failed)?;
    let left = rustix::thread::capabilities(None).map_err(failed)?;
    if left != sets {
        return Err("capabilities are left after they were given up".to_owned());
    }
    Ok(present != sets)
}
