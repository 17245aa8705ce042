// SPDX-License-Identifier: GPL-2.0

//! A [`SpinLockBh`](crate::sync::SpinLockBh) in a static.

/// Defines a global [`SpinLockBh`](crate::sync::SpinLockBh), as
/// [`global_lock!`](kernel::sync::global_lock) of the kernel crate does other locks.
///
/// The lock must be initialised before first use, by
/// [`GlobalLock::init`](kernel::sync::lock::GlobalLock::init) in the module's initialiser.
///
/// # Examples
///
/// ```
/// # mod ex {
/// ktimer::global_spinlock_bh! {
///     // SAFETY: Initialised in the module's initialiser, before first use.
///     unsafe(uninit) static COUNT: SpinLockBh<u32> = 0;
/// }
///
/// pub(super) fn counted() -> u32 {
///     *COUNT.lock() += 1;
///     *COUNT.lock()
/// }
/// # pub(super) fn init() {
/// // SAFETY: Called exactly once.
/// unsafe { COUNT.init() };
/// # }
/// # }
/// # ex::init();
/// # assert_eq!(ex::counted(), 1);
/// ```
#[macro_export]
macro_rules! global_spinlock_bh {
    {
        $(#[$meta:meta])* $pub:vis
        unsafe(uninit) static $name:ident: SpinLockBh<$valuety:ty> = $value:expr;
    } => {
        #[allow(non_camel_case_types, unreachable_pub)]
        $pub enum $name {}

        impl ::kernel::sync::lock::GlobalLockBackend for $name {
            const NAME: &'static ::kernel::str::CStr =
                ::kernel::c_str!(::core::stringify!($name));
            type Item = $valuety;
            type Backend = $crate::sync::SpinLockBhBackend;

            fn get_lock_class() -> ::core::pin::Pin<&'static ::kernel::sync::LockClassKey> {
                ::kernel::static_lock_class!()
            }
        }

        $(#[$meta])*
        $pub static $name: ::kernel::sync::lock::GlobalLock<$name> = {
            // Defined here to be outside the unsafe scope.
            let init: $valuety = $value;

            // SAFETY:
            // - The user of this macro promises to initialise the lock before use.
            // - This is the only static with this backend type.
            unsafe { ::kernel::sync::lock::GlobalLock::new(init) }
        };
    };
}
