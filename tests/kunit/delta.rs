// SPDX-License-Identifier: GPL-2.0

//! Spans of time, and rounding.

use super::*;
use kernel::str::CString;

#[kunit_tests(ktimer_delta)]
mod tests {
    use super::*;

    const LAST: Jiffies = Jiffies::from_raw(usize::MAX);
    const FIRST: Jiffies = Jiffies::from_raw(0);

    #[test]
    fn between_points_they_stay_in_their_range() {
        assert_eq!(LAST.since(FIRST), JiffiesDelta::ZERO);
        assert_eq!(
            Jiffies::from_raw(isize::MAX as usize).since(FIRST),
            JiffiesDelta::MAX
        );
        assert!((LAST + JiffiesDelta::MAX).is_after(LAST));
        assert_eq!(LAST + JiffiesDelta::ZERO, LAST);
    }

    /// Calls something for points in time, or spans, that go through all phases of a second; twice.
    fn for_all_phases(mut what: impl FnMut(usize) -> Result) -> Result {
        let second = JiffiesDelta::SECOND.as_ticks();
        (0..2 * second).try_for_each(|phase| what(10 * second + phase))
    }

    /// What rounding came to, of numbers that went through all phases of a second.
    #[derive(Default)]
    struct Rounded {
        earlier: usize,
        later: usize,
        furthest: usize,
        /// What is left of whole seconds, for each CPU that this ran on.
        phases: KVec<usize>,
    }

    impl Rounded {
        fn note(&mut self, given: usize, rounded: usize) -> Result {
            if rounded < given {
                self.earlier += 1;
            } else {
                self.later += usize::from(rounded > given);
            }
            self.furthest = self.furthest.max(given.abs_diff(rounded));
            let phase = rounded % JiffiesDelta::SECOND.as_ticks();
            if !self.phases.contains(&phase) {
                self.phases.push(phase, GFP_KERNEL)?;
            }
            Ok(())
        }

        /// Whether they were brought together, and not too far.
        fn check(&self, cpus: usize) {
            let second = JiffiesDelta::SECOND.as_ticks();
            assert!(self.phases.len() <= cpus);
            assert!(self.furthest <= second);
            assert!(self.later >= second);
        }
    }

    #[test]
    fn points_in_time_are_brought_together() -> Result {
        let start = Jiffies::now().as_raw();
        let (mut nearest, mut up) = (Rounded::default(), Rounded::default());
        for_all_phases(|ticks| {
            let point = Jiffies::from_raw(start.wrapping_add(ticks));
            nearest.note(ticks, point.round().as_raw().wrapping_sub(start))?;
            up.note(ticks, point.round_up().as_raw().wrapping_sub(start))
        })?;
        // Each CPU has its own offset from the whole second; relative to `start`, too.
        let cpus = nr_cpu_ids() as usize;
        nearest.check(cpus);
        assert!(nearest.earlier > 0);
        up.check(cpus);
        assert_eq!(up.earlier, 0);
        Ok(())
    }

    #[test]
    fn spans_are_brought_together_too() -> Result {
        type Round = fn(JiffiesDelta, CpuId) -> JiffiesDelta;

        let here = CpuId::current();
        let round: [(Round, bool); 4] = [
            (|span, _| span.round(), false),
            (|span, _| span.round_up(), true),
            (JiffiesDelta::round_on, false),
            (JiffiesDelta::round_up_on, true),
        ];
        for (round, up) in round {
            let mut rounded = Rounded::default();
            for_all_phases(|ticks| loop {
                let span = JiffiesDelta::from_ticks(ticks)?;
                let before = Jiffies::now();
                let result = round(span, here);
                // Spans are rounded so that they end together: if no tick came in between, this is
                // what it was computed from.
                if Jiffies::now() == before {
                    let start = before.as_raw();
                    return rounded.note(
                        start.wrapping_add(ticks),
                        start.wrapping_add(result.as_ticks()),
                    );
                }
            })?;
            rounded.check(nr_cpu_ids() as usize);
            assert!(up == (rounded.earlier == 0));
        }
        assert_eq!(JiffiesDelta::MAX.round_up(), JiffiesDelta::MAX);
        Ok(())
    }

    #[test]
    fn each_cpu_has_its_own_part_of_a_second() -> Result {
        type Round = fn(JiffiesDelta, CpuId) -> JiffiesDelta;

        let round: [Round; 2] = [JiffiesDelta::round_on, JiffiesDelta::round_up_on];
        let long = JiffiesDelta::from_ticks(10 * JiffiesDelta::SECOND.as_ticks())?;
        for round in round {
            let mut phases = KVec::new();
            for cpu in (0..nr_cpu_ids()).filter_map(CpuId::from_u32) {
                let ends = loop {
                    let before = Jiffies::now();
                    let ends = before + round(long, cpu);
                    if Jiffies::now() == before {
                        break ends;
                    }
                };
                phases.push(ends.as_raw() % JiffiesDelta::SECOND.as_ticks(), GFP_KERNEL)?;
            }
            // The numbers of two CPUs next to each other, at least, are told apart.
            assert!(phases.windows(2).all(|pair| pair[0] != pair[1]));
        }
        Ok(())
    }

    #[test]
    fn spans_have_a_range() -> Result {
        let max = JiffiesDelta::MAX.as_ticks();
        assert_eq!(JiffiesDelta::from_ticks(max)?, JiffiesDelta::MAX);
        assert_eq!(JiffiesDelta::from_ticks(max + 1), Err(EINVAL));
        assert_eq!(JiffiesDelta::from_ticks(usize::MAX), Err(EINVAL));
        assert_eq!(
            JiffiesDelta::ZERO.saturating_sub(JiffiesDelta::TICK),
            JiffiesDelta::ZERO
        );
        Ok(())
    }

    /// That a span is the least number of ticks that lasts so long.
    fn is_least(span: JiffiesDelta, nanos: i64) {
        let less = span.saturating_sub(JiffiesDelta::TICK);
        assert!(Delta::from(span).as_nanos() >= nanos);
        assert!(Delta::from(less).as_nanos() < nanos);
    }

    #[test]
    fn of_any_number_they_are_the_least_that_lasts_so_long() -> Result {
        let second = JiffiesDelta::SECOND.as_ticks() as u32;
        let numbers = [1, 3, 999, 1001, second, second + 1, u32::MAX / 2];
        for number in numbers.into_iter().flat_map(|n| [n, n + 1, u32::MAX - n]) {
            is_least(
                JiffiesDelta::from_millis(number),
                i64::from(number) * 1_000_000,
            );
            is_least(JiffiesDelta::from_micros(number), i64::from(number) * 1000);
            for nanos in [1, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000] {
                let nanos = i64::from(number) * nanos;
                let span = JiffiesDelta::try_from(Delta::from_nanos(nanos))?;
                is_least(span, nanos);
            }
        }
        Ok(())
    }

    #[test]
    fn they_are_shown_in_ticks() -> Result {
        let (point, span) = (Jiffies::from_raw(7), JiffiesDelta::TICK);
        let text = CString::try_from_fmt(fmt!("{point:>4}|{span:<4}|"))?;
        assert_eq!(text.to_bytes(), b"   7|1   |");
        Ok(())
    }

    #[test]
    fn milliseconds_round_up() {
        assert_eq!(JiffiesDelta::from_millis(0), JiffiesDelta::ZERO);
        assert_eq!(JiffiesDelta::from_millis(1), JiffiesDelta::TICK);
        assert_eq!(JiffiesDelta::from_millis(1000), JiffiesDelta::SECOND);
    }

    #[test]
    fn microseconds_round_up() {
        let tick = (1_000_000 / JiffiesDelta::SECOND.as_ticks()) as u32;
        assert_eq!(JiffiesDelta::from_micros(0), JiffiesDelta::ZERO);
        assert_eq!(JiffiesDelta::from_micros(1), JiffiesDelta::TICK);
        assert_eq!(JiffiesDelta::from_micros(tick), JiffiesDelta::TICK);
        assert_eq!(JiffiesDelta::from_micros(tick + 1).as_ticks(), 2);
        assert_eq!(JiffiesDelta::from_micros(1_000_000), JiffiesDelta::SECOND);
    }

    #[test]
    fn spans_are_the_kernels_too() -> Result {
        let tick = 1_000_000_000 / JiffiesDelta::SECOND.as_ticks() as i64;
        assert_eq!(Delta::from(JiffiesDelta::ZERO).as_nanos(), 0);
        assert_eq!(Delta::from(JiffiesDelta::TICK).as_nanos(), tick);
        assert_eq!(Delta::from(JiffiesDelta::SECOND).as_nanos(), 1_000_000_000);
        assert_eq!(
            Delta::from(JiffiesDelta::from_ticks(
                3 * JiffiesDelta::SECOND.as_ticks() + 1
            )?)
            .as_nanos(),
            3_000_000_000 + tick
        );
        assert_eq!(Delta::from(JiffiesDelta::MAX).as_nanos(), i64::MAX);

        let of = |nanos| JiffiesDelta::try_from(Delta::from_nanos(nanos));
        assert_eq!(of(0), Ok(JiffiesDelta::ZERO));
        assert_eq!(of(1), Ok(JiffiesDelta::TICK));
        assert_eq!(of(tick), Ok(JiffiesDelta::TICK));
        assert_eq!(of(tick + 1)?.as_ticks(), 2);
        assert_eq!(of(-1), Err(EINVAL));
        // 292 years are not too long.
        assert_eq!(of(i64::MAX)?.as_ticks(), (i64::MAX / tick) as usize + 1);
        Ok(())
    }

    #[cfg(ktimer_kernel_jiffy)]
    #[test]
    fn spans_are_the_kernels_in_jiffies_too() {
        use kernel::time::Jiffy;

        let max: Delta<Jiffy> = JiffiesDelta::MAX.into();
        assert_eq!(max.as_jiffies() as usize, JiffiesDelta::MAX.as_ticks());
        let of = |ticks| JiffiesDelta::try_from(Delta::from_jiffies(ticks));
        assert_eq!(of(1), Ok(JiffiesDelta::TICK));
        assert_eq!(of(max.as_jiffies()), Ok(JiffiesDelta::MAX));
        assert_eq!(of(max.as_jiffies() + 1), Err(EINVAL));
        assert_eq!(of(-1), Err(EINVAL));
    }
}
