// SPDX-License-Identifier: GPL-2.0

//! Who opens a file under `/proc`, and which tasks that one may see.
//!
//! It is the opener whose pid namespace and rights count, as they are when the file is opened, and
//! the options `hidepid` and `gid` of that `/proc`; not those of whoever reads the file later. A `/proc`
//! that does not have all tasks of the opener's namespace counts as one with `hidepid`. Security
//! modules (Landlock, AppArmor), which may hide more, can't be asked in an interrupt.
//!
//! C headers: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h),
//! [`include/linux/cred.h`](srctree/include/linux/cred.h)

use crate::{
    bindings,
    context::Comm, //
};
use core::ptr;
use kernel::{
    cred::Credential,
    fs::LocalFile,
    pid_namespace::PidNamespace,
    prelude::*,
    sync::aref::ARef,
    task::Kuid, //
};

/// The current task, while it opens a file.
pub struct Opener<'a>(&'a LocalFile);

impl<'a> Opener<'a> {
    /// # Safety
    ///
    /// The current task must be opening `file`, which is one under `/proc`, during `'a`.
    pub(crate) unsafe fn from_raw(file: *mut bindings::file) -> Self {
        // SAFETY: A file that is being opened has no descriptor yet, so nobody else uses it.
        Self(unsafe { LocalFile::from_raw_file(file) })
    }

    /// The user who is charged for what it takes: its own, or, in a user namespace, the one outside
    /// of it who has made that.
    pub fn charged_user(&self) -> Kuid {
        // SAFETY: The file has a reference to the credentials.
        Kuid::from_raw(unsafe { bindings::charged_user(self.0.cred().as_ptr()) })
    }

    /// Whether limits on what a user may take don't hold: `CAP_SYS_RESOURCE`.
    pub fn is_unlimited(&self) -> bool {
        // SAFETY: It looks at the current task's credentials.
        unsafe { bindings::capable(bindings::CAP_SYS_RESOURCE as c_int) }
    }

    /// What it may see. Fails with `ESRCH` in a task that has been reaped.
    pub fn viewer(&self) -> Result<Viewer> {
        // SAFETY: The file is one under `/proc`.
        let sees_all = unsafe { bindings::proc_shows_all_tasks(self.0.as_ptr()) };
        Ok(Viewer {
            namespace: ARef::from(kernel::current!().active_pid_ns().ok_or(ESRCH)?),
            own_only: (!sees_all).then(|| ARef::from(self.0.cred())),
        })
    }
}

/// What the opener of a file may see.
pub struct Viewer {
    namespace: ARef<PidNamespace>,
    /// That of a user who may see those tasks only which it could trace.
    own_only: Option<ARef<Credential>>,
}

impl Viewer {
    /// The number and the name of the task that this CPU is running, or was when an interrupt came;
    /// for one that the opener may not see, `None`, and the name stays as it is.
    ///
    /// The number is that in the pid namespace. Idle tasks have the number 0, and only the initial
    /// namespace sees them. May be called from any context.
    ///
    /// The C functions are `task_pid_nr_ns()` and `get_task_comm()`. The name may change while it is
    /// read, and is then a mixture of both; it always ends in time.
    #[inline]
    pub fn current_task(&self, name: &mut Comm) -> Option<i32> {
        let own_only = (self.own_only.as_ref()).map_or(ptr::null(), |cred| cred.as_ptr());
        // SAFETY: The namespace and the credentials are referenced, and the name has its length.
        let pid =
            unsafe { bindings::current_task(self.namespace.as_ptr(), own_only, name.as_mut_ptr()) };
        (pid >= 0).then_some(pid)
    }
}
