// SPDX-License-Identifier: GPL-2.0

//! Points in time.

use super::*;

#[kunit_tests(ktimer_jiffies)]
mod tests {
    use super::*;

    const LAST: Jiffies = Jiffies::from_raw(usize::MAX);
    const FIRST: Jiffies = Jiffies::from_raw(0);

    #[test]
    fn order_survives_the_wrap() {
        assert!(FIRST.is_after(LAST));
        assert!(!LAST.is_after(FIRST));
        assert!(!FIRST.is_after(FIRST));
    }

    #[test]
    fn adding_wraps() {
        assert_eq!(LAST + JiffiesDelta::TICK, FIRST);
    }

    #[test]
    fn spans_between_points() -> Result {
        assert_eq!(FIRST.since(LAST), JiffiesDelta::TICK);
        assert_eq!(LAST.since(LAST), JiffiesDelta::from_ticks(0)?);
        let later = Jiffies::from_raw(1000);
        assert_eq!(later.since(LAST), JiffiesDelta::from_ticks(1001)?);
        Ok(())
    }

    #[test]
    fn what_is_past_is_not_rounded_into_the_past() {
        let now = Jiffies::now();
        assert!(!now.is_after(now.round_up()));
        assert!(!now.is_after(now.round()));
    }

    #[test]
    fn the_next_period_survives_the_wrap() -> Result {
        let three = JiffiesDelta::from_ticks(3)?;
        let at = Jiffies::from_raw;
        // Not late: the next one, on the other side.
        assert_eq!(LAST.next_after(LAST, three), (at(2), 0));
        assert_eq!(LAST.next_after(at(2), three), (at(2), 0));
        // Late: those that are past are skipped.
        assert_eq!(LAST.next_after(at(3), three), (at(5), 1));
        assert_eq!(LAST.next_after(at(9), three), (at(11), 3));
        // Somebody has armed it for later meanwhile.
        assert_eq!(at(100).next_after(at(50), three), (at(103), 0));
        // No time is one tick.
        assert_eq!(
            LAST.next_after(at(3), JiffiesDelta::from_ticks(0)?),
            (at(3), 3)
        );
        // The longest period, and the latest callback.
        let longest = JiffiesDelta::from_ticks(isize::MAX as usize / 2 - 1)?;
        let (_, missed) = FIRST.next_after(at(isize::MAX as usize), longest);
        assert_eq!(missed, 2);
        Ok(())
    }

    #[test]
    fn now_goes_on() -> Result {
        let before = Jiffies::now();
        expired_by(before)?;
        assert!(Jiffies::now().is_after(before));
        Ok(())
    }
}
