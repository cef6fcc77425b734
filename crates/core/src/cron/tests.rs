use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::schedule::Missed;

fn cron(expression: &str, zone: &str) -> Cron {
    Cron::parse(expression, zone).unwrap_or_else(|error| panic!("{expression}: {error}"))
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The next due times after an instant.
fn next(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let cron = cron(expression, zone);
    std::iter::successors(cron.next_after(at(after)), |due| cron.next_after(*due))
        .take(count)
        .map(|due| due.to_string())
        .collect()
}

fn utc(expression: &str, after: &str) -> String {
    next(expression, "UTC", after, 1).pop().unwrap_or_default()
}

#[test]
fn each_form_of_a_field_is_understood() {
    let after = "2026-01-31T08:30:15Z";
    for (expression, expected) in [
        ("* * * * *", "2026-01-31T08:31:00Z"),
        ("* * * * * *", "2026-01-31T08:30:16Z"),
        ("*/20 * * * * *", "2026-01-31T08:30:20Z"),
        ("10 * * * * *", "2026-01-31T08:31:10Z"),
        ("30 8 * * *", "2026-02-01T08:30:00Z"),
        ("15 30 8 * * *", "2026-02-01T08:30:15Z"),
        ("16 30 8 * * *", "2026-01-31T08:30:16Z"),
        ("5,31,50-52 * * * *", "2026-01-31T08:31:00Z"),
        ("0-30/10 * * * *", "2026-01-31T09:00:00Z"),
        ("*/7 9-17 * * *", "2026-01-31T09:00:00Z"),
        ("0 0 * FEB *", "2026-02-01T00:00:00Z"),
        ("0 0 * feb-Apr,12 *", "2026-02-01T00:00:00Z"),
        ("0 0 1 1 *", "2027-01-01T00:00:00Z"),
        ("0 0 * * MON", "2026-02-02T00:00:00Z"),
        ("0 0 * * 7", "2026-02-01T00:00:00Z"),
        ("0 0 * * 0", "2026-02-01T00:00:00Z"),
        ("0 0 * * sun", "2026-02-01T00:00:00Z"),
        ("0 0 * * SAT-SUN", "2026-02-01T00:00:00Z"),
        ("0 0 * * 5-7", "2026-02-01T00:00:00Z"),
        ("0 12 * * 1-5", "2026-02-02T12:00:00Z"),
        ("0 0 31 * *", "2026-03-31T00:00:00Z"),
        ("  0\t0  1 * *  ", "2026-02-01T00:00:00Z"),
        ("@hourly", "2026-01-31T09:00:00Z"),
        ("@daily", "2026-02-01T00:00:00Z"),
        ("@midnight", "2026-02-01T00:00:00Z"),
        ("@Weekly", "2026-02-01T00:00:00Z"),
        ("@monthly", "2026-02-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z"),
        ("@annually", "2027-01-01T00:00:00Z"),
    ] {
        assert_eq!(utc(expression, after), expected, "{expression}");
    }
    // An instant that is due is not after itself; one within a second is.
    assert_eq!(utc("* * * * *", "2026-01-31T08:30:00Z"), "2026-01-31T08:31:00Z");
    assert_eq!(utc("* * * * *", "2026-01-31T08:29:59.999999Z"), "2026-01-31T08:30:00Z");
    assert_eq!(utc("* * * * * *", "2026-01-31T08:30:00.5Z"), "2026-01-31T08:30:01Z");
    assert_eq!(utc("0 0 * * *", "1969-12-31T23:59:59.5Z"), "1970-01-01T00:00:00Z");
}

#[test]
fn either_day_is_enough_unless_one_begins_with_a_star() {
    // Friday the 13th of 2026: February, March, November.
    let days = |expression| next(expression, "UTC", "2026-02-01T00:00:00Z", 3);
    assert_eq!(days("0 0 13 * FRI"), ["2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z"]);
    assert_eq!(days("0 0 */12 * FRI"), ["2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z", "2026-05-01T00:00:00Z"]);
    assert_eq!(days("0 0 13 * */5"), ["2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z", "2026-09-13T00:00:00Z"]);
    assert_eq!(days("0 0 13 * *"), ["2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z", "2026-04-13T00:00:00Z"]);
}

#[test]
fn leap_days_come_every_fourth_year_but_not_in_2100() {
    assert_eq!(
        next("0 0 29 2 *", "UTC", "2092-03-01T00:00:00Z", 3),
        ["2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z", "2108-02-29T00:00:00Z"]
    );
    // On a Sunday alone (the star makes both necessary) it takes 40 years around 2100.
    assert_eq!(utc("0 0 29 2 */7", "2088-03-01T00:00:00Z"), "2128-02-29T00:00:00Z");
}

#[test]
fn a_fixed_time_in_a_gap_is_due_right_after_it_and_once() {
    // Berlin: 02:00 becomes 03:00 on 2026-03-29 at 01:00Z.
    let berlin = |expression, after| next(expression, "Europe/Berlin", after, 3);
    let day_before = "2026-03-28T12:00:00Z";
    assert_eq!(
        berlin("30 2 * * *", day_before),
        ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"]
    );
    // Several in the gap, and one right after it, share the instant; a later one does not.
    assert_eq!(
        berlin("0,30 2,3 * * *", day_before),
        ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"]
    );
    // This is what a rule for single times alone would lose.
    assert_eq!(
        berlin("30 2,14 * * *", day_before),
        ["2026-03-28T13:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T12:30:00Z"]
    );
    assert_eq!(berlin("30 2 29 3 *", day_before)[0], "2026-03-29T01:00:00Z");
    // Lord Howe: half an hour, 02:00 becomes 02:30 on 2026-10-04 at 15:30Z of the day before.
    assert_eq!(
        next("10,40 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", 3),
        ["2026-10-03T15:30:00Z", "2026-10-03T15:40:00Z", "2026-10-04T15:10:00Z"]
    );
    // Samoa left out a whole day, 2011-12-30.
    assert_eq!(next("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 1), ["2011-12-30T10:00:00Z"]);
    // Where the gap is at midnight: Cairo, 2026-04-24 begins at 01:00.
    assert_eq!(next("@daily", "Africa/Cairo", "2026-04-23T12:00:00Z", 1), ["2026-04-23T22:00:00Z"]);
}

#[test]
fn a_fixed_time_that_comes_twice_is_due_the_first_time_only() {
    // Berlin: 03:00 becomes 02:00 on 2026-10-25 at 01:00Z.
    assert_eq!(
        next("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    // Asked in the middle of the repetition, it is over for this day.
    assert_eq!(next("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30:00Z"]);
    assert_eq!(
        next("0,30 2-3 * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 4),
        ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z", "2026-10-25T02:30:00Z"]
    );
}

#[test]
fn a_job_with_a_star_follows_the_clock() {
    let berlin = |expression, after, count| next(expression, "Europe/Berlin", after, count);
    // Through the gap.
    assert_eq!(
        berlin("*/30 * * * *", "2026-03-29T00:10:00Z", 3),
        ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]
    );
    assert_eq!(berlin("*/30 2 * * *", "2026-03-28T12:00:00Z", 1), ["2026-03-30T00:00:00Z"]);
    // Through the repetition: 02:00, 02:30, and both again.
    assert_eq!(
        berlin("*/30 2 * * *", "2026-10-24T23:50:00Z", 5),
        [
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-26T01:00:00Z"
        ]
    );
    assert_eq!(berlin("15 * * * *", "2026-10-25T00:16:00Z", 2), ["2026-10-25T01:15:00Z", "2026-10-25T02:15:00Z"]);
    // A job that the coming stretches hold nothing for looks beyond them.
    assert_eq!(berlin("* 5 29 2 *", "2026-03-28T12:00:00Z", 1), ["2028-02-29T04:00:00Z"]);
}

#[test]
fn what_makes_no_sense_is_refused_by_the_name_of_its_field() {
    for (expression, words) in [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("* * * * * * *", "7 fields"),
        ("60 * * * *", "minute: `60`"),
        ("* 24 * * *", "hour: `24`"),
        ("60 * * * * *", "second: `60`"),
        ("* * 0 * *", "day of month: `0`"),
        ("* * 32 * *", "day of month: `32`"),
        ("* * * 13 *", "month: `13`"),
        ("* * * * 8", "day of week: `8`"),
        ("* * * * FOO", "day of week: `FOO`"),
        ("MON * * * *", "minute: `MON`"),
        ("* * * MON *", "month: `MON`"),
        ("* * L * *", "day of month: `L`"),
        ("* * 15W * *", "day of month: `15W`"),
        ("* * * * MON#2", "day of week: `MON#2`"),
        ("? * * * *", "minute: `?`"),
        ("5/10 * * * *", "minute: `5/10` steps from a single value"),
        ("5/1 * * * *", "minute: `5/1` steps from a single value"),
        ("*/0 * * * *", "minute: the step of `*/0`"),
        ("*/60 * * * *", "minute: the step of `*/60`"),
        ("*/x * * * *", "minute: the step of `*/x`"),
        ("30-10 * * * *", "minute: the range `30-10` runs backwards"),
        ("* * * * FRI-MON", "day of week: the range"),
        ("1,,2 * * * *", "minute: `` is not understood"),
        ("1- * * * *", "minute: `1-`"),
        ("-1 * * * *", "minute: `-1`"),
        ("1-2-3 * * * *", "minute: `1-2-3`"),
        ("+5 * * * *", "minute: `+5`"),
        ("005 * * * *", "minute: `005`"),
        ("@reboot", "unknown `@reboot`"),
        ("@every 5m", "unknown `@every 5m`"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("0 0 30-31 FEB *", "never fires"),
    ] {
        let error = Cron::parse(expression, "UTC").unwrap_err().to_string();
        assert!(error.contains(words), "{expression}: {error}");
    }
    // With a day of the week beside it, it does fire.
    assert_eq!(utc("0 0 30 2 MON", "2026-01-31T00:00:00Z"), "2026-02-02T00:00:00Z");
    assert!(Cron::parse(&"1,".repeat(200), "UTC").is_err());
    for zone in ["", "Mars/Olympus", "+02:00", "EST5EDT4,M3.2.0,M11.1.0", "../etc/passwd"] {
        assert_eq!(Cron::parse("@daily", zone), Err(InvalidCron::Zone(zone.to_owned())));
    }
}

#[test]
fn an_expression_is_told_in_words() {
    for (expression, words) in [
        ("* * * * *", "every minute"),
        ("* * * * * *", "every second"),
        ("*/15 * * * *", "every 15 minutes"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("5,10 * * * * *", "at seconds 5 and 10 of every minute"),
        ("*/10 5 * * * *", "every 10 seconds at minute 5 of every hour"),
        ("0 * * * *", "at minute 0 of every hour"),
        ("30 2 * * *", "at 02:30"),
        ("5 30 2 * * *", "at 02:30:05"),
        ("30 2,14 * * *", "at 02:30 and 14:30"),
        ("0,30 9-17 * * MON-FRI", "at minutes 0 and 30 in hours 9 to 17, on Monday to Friday"),
        ("*/5 9-17 * * *", "every 5 minutes in hours 9 to 17"),
        ("0 */2 * * *", "at minute 0 of every 2nd hour from midnight on"),
        ("0 0 1 * *", "at 00:00, on day 1 of the month"),
        ("0 0 1,15 1,6-8 *", "at 00:00, on days 1 and 15 of the month, in January and June to August"),
        ("0 0 13 * FRI", "at 00:00, on day 13 of the month or on Friday"),
        ("0 0 13 * */5", "at 00:00, on day 13 of the month if that is Sunday and Friday"),
        ("0 0 1-31 * FRI", "at 00:00"),
        ("@yearly", "at 00:00, on day 1 of the month, in January"),
        ("0 0 * * 0,2,4,6", "at 00:00, on Sunday, Tuesday, Thursday and Saturday"),
    ] {
        assert_eq!(cron(expression, "Europe/Berlin").describe(), format!("{words} (Europe/Berlin)"), "{expression}");
    }
}

fn owes(expression: &str, last: &str, now: &str, policy: Missed) -> (Vec<String>, Option<String>) {
    let owed = owed(&cron(expression, "UTC"), at(last), at(now), policy);
    (owed.due.iter().map(ToString::to_string).collect(), owed.next.map(|next| next.to_string()))
}

#[test]
fn what_is_on_time_is_owed_under_every_policy() {
    for policy in [Missed::Skip, Missed::FireOnce, Missed::FireAll] {
        let (due, next) = owes("0 * * * *", "2026-01-01T09:00:00Z", "2026-01-01T10:00:30Z", policy);
        assert_eq!(due, ["2026-01-01T10:00:00Z"], "{policy:?}");
        assert_eq!(next.as_deref(), Some("2026-01-01T11:00:00Z"));
        let (due, _) = owes("0 * * * *", "2026-01-01T10:00:00Z", "2026-01-01T10:59:59Z", policy);
        assert!(due.is_empty(), "{policy:?}");
        // A leader that looks every few seconds misses none of a second's schedule.
        let (due, _) = owes("* * * * * *", "2026-01-01T10:00:00Z", "2026-01-01T10:00:05.5Z", policy);
        assert_eq!(due.len(), 5, "{policy:?}");
    }
}

#[test]
fn what_was_missed_is_skipped_or_owed_once_or_owed_in_full() {
    let gap = ("2026-01-01T09:00:00Z", "2026-01-01T13:30:00Z");
    assert_eq!(owes("0 * * * *", gap.0, gap.1, Missed::Skip).0, [""; 0]);
    assert_eq!(owes("0 * * * *", gap.0, gap.1, Missed::FireOnce).0, ["2026-01-01T13:00:00Z"]);
    let all = ["2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"];
    assert_eq!(owes("0 * * * *", gap.0, gap.1, Missed::FireAll).0, all);
    // One of them is on time just now.
    let now = "2026-01-01T13:00:01Z";
    assert_eq!(owes("0 * * * *", gap.0, now, Missed::Skip).0, ["2026-01-01T13:00:00Z"]);
    assert_eq!(owes("0 * * * *", gap.0, now, Missed::FireOnce).0, ["2026-01-01T13:00:00Z"]);
    assert_eq!(owes("0 * * * *", gap.0, now, Missed::FireAll).0, all);
    assert_eq!(owes("0 0 29 2 *", gap.0, gap.1, Missed::FireAll).1.as_deref(), Some("2028-02-29T00:00:00Z"));
}

#[test]
fn however_much_was_missed_the_last_thousand_are_found_without_counting_all() {
    let (due, _) = owes("* * * * * *", "2006-01-01T00:00:00Z", "2026-01-01T00:00:00Z", Missed::FireAll);
    assert_eq!(due.len(), MAX_OWED);
    assert_eq!(due.first().map(String::as_str), Some("2025-12-31T23:43:21Z"));
    assert_eq!(due.last().map(String::as_str), Some("2026-01-01T00:00:00Z"));
    // A dense month long ago.
    let (due, _) = owes("* * * 1 *", "2006-01-01T00:00:00Z", "2025-12-01T00:00:00Z", Missed::FireAll);
    assert_eq!(due.len(), MAX_OWED);
    assert_eq!(due.last().map(String::as_str), Some("2025-01-31T23:59:00Z"));
    let (due, _) = owes("* * * * * *", "2006-01-01T00:00:00Z", "2026-01-01T00:00:00Z", Missed::FireOnce);
    assert_eq!(due, ["2026-01-01T00:00:00Z"]);
}

fn any_field(min: u32, max: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        (1..=max).prop_map(|step| format!("*/{step}")),
        proptest::collection::vec(min..=max, 1..4).prop_map(|values| values
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")),
        (min..=max, min..=max).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
    ]
}

const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu"];

proptest! {
    #[test]
    fn a_job_that_follows_the_clock_is_due_exactly_when_the_clock_shows_it(
        minute in any_field(0, 59), days in any_field(1, 31), weekdays in any_field(0, 6), zone in 0usize..6,
        start in 0i64..(366 * 24 * 60),
    ) {
        let Ok(cron) = Cron::parse(&format!("{minute} * {days} * {weekdays}"), ZONES[zone]) else { return Ok(()) };
        let start = at("2026-01-01T00:00:00Z") + Duration::from_secs(start.unsigned_abs() * 60);
        // The hours around a change are near enough to any start that the search below crosses some.
        let shown = (1..=3_000u64).map(|minutes| start + Duration::from_secs(minutes * 60)).find(|instant| {
            let time = cron.zone.to_datetime(jiff::Timestamp::from_microsecond(instant.as_micros()).unwrap());
            let before = time.checked_sub(jiff::Span::new().seconds(1)).unwrap();
            cron.fields.next_after(before) == Some(time)
        });
        let next = cron.next_after(start).unwrap();
        match shown {
            Some(shown) => prop_assert_eq!(next, shown),
            None => prop_assert!(next > start + Duration::from_secs(3_000 * 60)),
        }
    }

    #[test]
    fn due_times_only_ever_go_forward(
        fields in [any_field(0, 59), any_field(0, 59), any_field(0, 23), any_field(1, 31), any_field(1, 12)],
        weekdays in any_field(0, 7), zone in 0usize..6, start in 0i64..4_000_000_000,
    ) {
        if let Ok(cron) = Cron::parse(&format!("{} {weekdays}", fields.join(" ")), ZONES[zone]) {
            let start = Timestamp::from_millis(start * 1_000);
            let mut last = start;
            for _ in 0..20 {
                let next = cron.next_after(last).unwrap();
                prop_assert!(next > last);
                // Whoever asks in between gets the same answer.
                prop_assert_eq!(cron.next_after(last + next.since(last) / 2), Some(next));
                last = next;
            }
            prop_assert!(!cron.describe().is_empty());
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[-0-9*/,@ A-Zä]{0,30}", at in any::<i64>()) {
        if let Ok(cron) = Cron::parse(&text, "Europe/Berlin") {
            cron.next_after(Timestamp::from_micros(at));
        }
    }
}
