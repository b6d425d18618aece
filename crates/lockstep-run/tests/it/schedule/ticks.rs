//! Ticks over a year, in zones whose clocks go forward and back. Pure functions over times.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use lockstep_run::schedule::{BadSchedule, Ticks, due};
use lockstep_store::schedule::Rhythm;

use crate::tester::{DAY, HOUR, MINUTE};

fn cron(line: &str, zone: &str) -> Rhythm {
    Rhythm::Cron {
        line: line.to_owned(),
        zone: zone.to_owned(),
    }
}

fn at(text: &str) -> i64 {
    let time: Timestamp = text.parse().expect("a time");
    time.as_millisecond()
}

/// The ticks of a year, each found from the one before.
fn year(rhythm: &Rhythm) -> Vec<i64> {
    let from = at("2026-01-01T00:00:00Z");
    let ticks = Ticks::new(rhythm, from).expect("a rhythm");
    let mut found = Vec::new();
    let mut tick = ticks.after(from - 1).expect("a tick");
    while tick < from + 365 * DAY {
        // Whenever somebody asks before a tick, it is the next one.
        for before in [1, MINUTE, 29 * MINUTE] {
            if found.last().is_none_or(|last| *last <= tick - before) {
                assert_eq!(ticks.after(tick - before).expect("a tick"), tick);
            }
        }
        found.push(tick);
        let next = ticks.after(tick).expect("a tick");
        assert!(next > tick);
        tick = next;
    }
    found
}

/// What the clocks of a zone show at ticks, by day: `[(2026-03-08, ["03:00"])]`.
fn shown(ticks: &[i64], zone: &str) -> Vec<(Date, Vec<String>)> {
    let zone = TimeZone::get(zone).expect("a zone");
    let mut days: Vec<(Date, Vec<String>)> = Vec::new();
    for tick in ticks {
        let time = Timestamp::from_millisecond(*tick).expect("a time");
        let time = time.to_zoned(zone.clone());
        let clock = time.strftime("%H:%M").to_string();
        match days.last_mut() {
            Some((day, clocks)) if *day == time.date() => clocks.push(clock),
            _ => days.push((time.date(), vec![clock])),
        }
    }
    days
}

#[test]
fn a_daily_tick_comes_once_each_day_of_the_year_whatever_the_clocks_do() {
    for (zone, gap, late) in [
        ("America/New_York", "2026-03-08", "03:00"),
        ("Europe/Paris", "2026-03-29", "03:00"),
    ] {
        for (line, clock) in [("30 2 * * *", "02:30"), ("30 1 * * *", "01:30")] {
            let days = shown(&year(&cron(line, zone)), zone);
            assert!((364..=366).contains(&days.len()), "{} days", days.len());
            let consecutive =
                |pair: &[(Date, Vec<String>)]| pair[0].0.tomorrow().ok() == Some(pair[1].0);
            assert!(days.windows(2).all(consecutive), "no day is left out");
            for (day, clocks) in days {
                let skipped = clock == "02:30" && day.to_string() == gap;
                let expected = if skipped { late } else { clock };
                assert_eq!(clocks, [expected], "{zone} {line} {day}");
            }
        }
    }
}

#[test]
fn what_the_clocks_show_twice_comes_at_the_earlier_of_the_two() {
    for (zone, day, line, instant) in [
        (
            "America/New_York",
            "2026-11-01T00:00:00-04:00",
            "30 1 * * *",
            "2026-11-01T01:30:00-04:00",
        ),
        (
            "Europe/Paris",
            "2026-10-25T00:00:00+02:00",
            "30 2 * * *",
            "2026-10-25T02:30:00+02:00",
        ),
    ] {
        let ticks = Ticks::new(&cron(line, zone), 0).expect("a rhythm");
        assert_eq!(ticks.after(at(day)), Ok(at(instant)), "{zone}");
        // Not again in the hour that is repeated, nor when somebody asks in the middle of it.
        for asked in [at(instant), at(instant) + 30 * MINUTE, at(instant) + HOUR] {
            let next = ticks.after(asked).expect("a tick");
            assert_eq!(next, at(instant) + 25 * HOUR, "{zone}");
        }
    }
}

#[test]
fn hourly_and_half_hourly_ticks_keep_their_pace_all_year() {
    for zone in ["America/New_York", "Europe/Paris", "Australia/Lord_Howe"] {
        for (line, every) in [("0 * * * *", HOUR), ("*/30 * * * *", HOUR / 2)] {
            let ticks = year(&cron(line, zone));
            let gaps = ticks.windows(2).map(|pair| pair[1] - pair[0]);
            // Lord Howe's clocks change by half an hour, so a full hour comes half an hour late or early there, twice.
            let off = gaps.filter(|gap| *gap != every).count();
            let allowed = if zone.starts_with("Australia") && every == HOUR {
                2
            } else {
                0
            };
            assert_eq!(off, allowed, "{zone} {line}");
            let expected = 365 * DAY / every;
            let found = i64::try_from(ticks.len()).expect("few");
            assert!((found - expected).abs() <= 1, "{zone} {line}: {found}");
        }
    }
}

#[test]
fn every_so_many_hours_is_counted_from_when_it_was_switched_on() {
    for hours in [1, 6, 7, 24] {
        let ticks = year(&Rhythm::Every { hours });
        let every = i64::from(hours) * HOUR;
        assert!(ticks.windows(2).all(|pair| pair[1] - pair[0] == every));
        let expected = (365 * DAY).div_euclid(every);
        let found = i64::try_from(ticks.len()).expect("few");
        assert!((found - expected).abs() <= 1, "{found} of {expected}");
    }
    // Before it was switched on, as when the clock is set back, the grid is the same.
    let ticks = Ticks::new(&Rhythm::Every { hours: 6 }, 1_000 * HOUR).expect("a rhythm");
    assert_eq!(ticks.after(990 * HOUR), Ok(994 * HOUR));
    assert_eq!(ticks.after(994 * HOUR), Ok(1_000 * HOUR));
    assert_eq!(ticks.after(-5 * HOUR), Ok(-2 * HOUR));
}

#[test]
fn a_rhythm_that_cannot_be_is_refused() {
    let new = |rhythm: Rhythm| Ticks::new(&rhythm, 0).map(|_| ());
    for hours in [0, 25] {
        assert_eq!(
            new(Rhythm::Every { hours }),
            Err(BadSchedule::Hours(hours.into()))
        );
    }
    assert_eq!(
        new(cron("0 3 * * *", "Europe/Atlantis")),
        Err(BadSchedule::Zone("Europe/Atlantis".to_owned()))
    );
    let long = "0,".repeat(200);
    for line in [
        "",
        "soon",
        "0 3 * *",
        "61 * * * *",
        "0 0 3 * * *",
        "0 3 * * * 2030",
        &long,
    ] {
        let refused = new(cron(line, "UTC"));
        assert!(matches!(refused, Err(BadSchedule::Line { .. })), "{line}");
    }
    let never = Ticks::new(&cron("0 0 30 2 *", "UTC"), 0).expect("it can be read");
    assert!(matches!(never.after(0), Err(BadSchedule::Never(_))));
    let debug = format!("{never:?}");
    assert!(debug.len() < 80, "the parsed line is huge: {debug}");
}

#[test]
fn a_tick_is_put_off_by_the_same_part_wherever_it_is_reckoned() {
    let tick = at("2026-05-01T00:00:00Z");
    let mut parts = std::collections::BTreeSet::new();
    for site in 0..200 {
        let site = format!("site {site}");
        let late = due(&site, tick, 10 * MINUTE) - tick;
        assert!((0..=10 * MINUTE).contains(&late), "{late}");
        assert_eq!(late, due(&site, tick, 10 * MINUTE) - tick);
        parts.insert(late / MINUTE);
        assert_eq!(due(&site, tick, 0), tick);
    }
    assert_eq!(parts.len(), 10, "sites are spread over the ten minutes");
    let days: std::collections::BTreeSet<i64> = (0..30)
        .map(|day| due("site", tick + day * DAY, 10 * MINUTE) - tick - day * DAY)
        .collect();
    assert!(days.len() > 25, "no site is always the last");
}
