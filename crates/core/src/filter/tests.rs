use proptest::prelude::*;
use serde_json::json;

use super::*;

fn compile(filter: &Value) -> Filter {
    Filter::compile(filter).unwrap_or_else(|error| panic!("{filter}: {} {error}", error.pointer))
}

struct Sample {
    payload: Vec<u8>,
    topic: Option<&'static str>,
    headers: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Sample {
    fn new(payload: &str) -> Self {
        Self {
            payload: payload.as_bytes().to_vec(),
            topic: Some("order.created"),
            headers: map(&[("X-Region", "eu"), ("x-a.b", "dotted")]),
            metadata: map(&[("plan", "gold"), ("a.b", "7")]),
        }
    }

    /// The reason in words, or `None` if the filter holds.
    fn failure(&self, filter: &Filter) -> Option<(String, String)> {
        let payload = Payload::new(&self.payload);
        let input = Input { topic: self.topic, headers: &self.headers, metadata: &self.metadata, payload: &payload };
        match filter.evaluate(&input) {
            Verdict::Holds => None,
            Verdict::Fails(failure) => Some((failure.pointer().to_owned(), failure.to_string())),
        }
    }

    fn holds(&self, filter: &Value) -> bool {
        self.failure(&compile(filter)).is_none()
    }
}

fn sample() -> Sample {
    Sample::new(
        r#"{"total":120.5,"paid":true,"note":null,"id":"ord_17","big":9007199254740993,"huge":18446744073709551615,
            "items":[{"sku":"A"},{"sku":"B"}],"tags":["x","y"],"a.b":{"c":1},"0":"zero","obj":{"n":1,"m":[2]}}"#,
    )
}

#[test]
fn each_operator_holds_and_fails_as_the_language_says() {
    let sample = sample();
    for (filter, expected) in [
        (json!({}), true),
        (json!({"payload.total": 120.5}), true),
        (json!({"payload.total": "120.5"}), false),
        (json!({"payload.total": {"$gte": 100, "$lt": 200}}), true),
        (json!({"payload.total": {"$gte": 100, "$lt": 120.5}}), false),
        (json!({"payload.total": {"$lte": 120.5}}), true),
        (json!({"payload.total": {"$gt": 120.5}}), false),
        (json!({"payload.total": {"$gt": "1"}}), false),
        (json!({"payload.total": {"$lt": "1"}}), false),
        (json!({"payload.id": {"$gt": "ord_16", "$lt": "ord_2"}}), true),
        (json!({"payload.id": {"$startsWith": "ord_", "$endsWith": "17"}}), true),
        (json!({"payload.id": {"$startsWith": "rd_"}}), false),
        (json!({"payload.total": {"$startsWith": "1"}}), false),
        (json!({"payload.id": {"$in": ["a", "ord_17"]}}), true),
        (json!({"payload.id": {"$in": []}}), false),
        (json!({"payload.id": {"$nin": []}}), true),
        (json!({"payload.id": {"$nin": ["a", "ord_17"]}}), false),
        (json!({"payload.id": {"$ne": "ord_17"}}), false),
        (json!({"payload.id": {"$ne": 17}}), true),
        (json!({"payload.paid": true}), true),
        (json!({"payload.note": null}), true),
        (json!({"payload.note": {"$exists": true}}), true),
        (json!({"payload.tags": ["x", "y"]}), true),
        (json!({"payload.tags": ["y", "x"]}), false),
        (json!({"payload.tags": "x"}), false),
        (json!({"payload.obj": {"$eq": {"m": [2.0], "n": 1}}}), true),
        (json!({"payload.obj": {"$eq": {"n": 1}}}), false),
        (json!({"payload.obj": {"n": 1, "m": [2]}}), true),
        (json!({"payload": {"obj": {"n": {"$in": [0, 1]}}, "paid": true}}), true),
        (json!({"topic": "order.created"}), true),
        (json!({"topic": {"$startsWith": "invoice."}}), false),
        (json!({"headers.x-region": "eu"}), true),
        (json!({"headers.X-REGION": {"$in": ["eu", "us"]}}), true),
        (json!({"headers.x-a.b": "dotted"}), true),
        (json!({"metadata.plan": "gold", "metadata.a.b": "7"}), true),
        (json!({"metadata": {"a.b": "7"}}), true),
        (json!({"metadata.a.b": 7}), false),
        (json!({"metadata.PLAN": "gold"}), false),
    ] {
        assert_eq!(sample.holds(&filter), expected, "{filter}");
    }
}

#[test]
fn where_there_is_no_value_only_negative_conditions_hold() {
    let sample = Sample { topic: None, ..sample() };
    for path in ["payload.none", "payload.note.x", "payload.items.2", "headers.none", "metadata.none", "topic"] {
        for (condition, expected) in [
            (json!({"$exists": false}), true),
            (json!({"$exists": true}), false),
            (json!({"$ne": 1}), true),
            (json!({"$nin": [1, null]}), true),
            (json!({"$not": {"$gte": 1}}), true),
            (json!(null), false),
            (json!({"$in": [null]}), false),
            (json!({"$lt": 1}), false),
            (json!({"$startsWith": ""}), false),
        ] {
            assert_eq!(sample.holds(&json!({ path: condition })), expected, "{path} {condition}");
        }
    }
}

#[test]
fn paths_reach_elements_by_number_and_names_with_dots_by_an_escape() {
    let sample = sample();
    for (filter, expected) in [
        (json!({"payload.items.1.sku": "B"}), true),
        (json!({"payload.items.01.sku": "B"}), false),
        (json!({"payload.items.+1.sku": "B"}), false),
        (json!({"payload.items.sku": "B"}), false),
        (json!({"payload.0": "zero"}), true),
        (json!({"payload.a\\.b.c": 1}), true),
        (json!({"payload.a.b.c": 1}), false),
        (json!({"payload": {"a\\.b": {"c": 1}}}), true),
    ] {
        assert_eq!(sample.holds(&filter), expected, "{filter}");
    }
    assert!(Sample::new("5").holds(&json!({"payload": {"$gt": 4}})));
    assert!(Sample::new(r#"{"a\\b":1}"#).holds(&json!({"payload.a\\\\b": 1})));
}

#[test]
fn large_integers_are_compared_exactly() {
    let sample = sample();
    // 2⁵³ + 1 and 2⁶⁴ − 1: as doubles they would equal their neighbours.
    for (filter, expected) in [
        (json!({"payload.big": 9_007_199_254_740_993_u64}), true),
        (json!({"payload.big": 9_007_199_254_740_992_u64}), false),
        (json!({"payload.big": {"$gt": 9_007_199_254_740_992.0}}), true),
        (json!({"payload.big": {"$lt": 9_007_199_254_740_994.0}}), true),
        (json!({"payload.huge": 18_446_744_073_709_551_615_u64}), true),
        (json!({"payload.huge": {"$gt": 18_446_744_073_709_551_614_u64}}), true),
        (json!({"payload.huge": {"$lt": 1.0e300}}), true),
        (json!({"payload.huge": {"$gt": -1.0e300}}), true),
        (json!({"payload.obj.n": 1.0}), true),
        (json!({"payload.obj.n": {"$lt": 1.5, "$gt": 0.5}}), true),
    ] {
        assert_eq!(sample.holds(&filter), expected, "{filter}");
    }
}

#[test]
fn logic_nests_at_the_root_and_within_a_value() {
    let sample = sample();
    for (filter, expected) in [
        (json!({"$or": [{"payload.total": 1}, {"payload.paid": true}]}), true),
        (json!({"$or": [{"payload.total": 1}, {"payload.paid": false}]}), false),
        (json!({"$and": [{"payload.total": {"$gt": 1}}, {"payload.paid": true}], "topic": "order.created"}), true),
        (json!({"$not": {"payload.paid": true}}), false),
        (json!({"$not": {"$not": {"payload.paid": true}}}), true),
        (json!({"payload.total": {"$or": [{"$lt": 1}, {"$gt": 100}]}}), true),
        (json!({"payload.total": {"$or": [1, 120.5]}}), true),
        (json!({"payload.total": {"$not": {"$or": [{"$lt": 1}, {"$gt": 100}]}}}), false),
        (json!({"payload": {"$or": [{"total": 1}, {"paid": true}]}}), true),
    ] {
        assert_eq!(sample.holds(&filter), expected, "{filter}");
    }
}

#[test]
fn a_payload_that_is_not_json_matches_no_payload_condition_nor_its_opposite() {
    for payload in ["", "plain text", "{", "{} {}", "\u{feff}{}"] {
        let sample = Sample::new(payload);
        for (filter, expected) in [
            (json!({"payload.a": 1}), false),
            (json!({"payload.a": {"$ne": 1}}), false),
            (json!({"payload.a": {"$exists": false}}), false),
            (json!({"payload.a": {"$not": 1}}), false),
            (json!({"$not": {"payload.a": 1}}), false),
            (json!({"$or": [{"payload.a": 1}, {"topic": "order.created"}]}), true),
            (json!({"$not": {"$and": [{"payload.a": 1}, {"topic": "x"}]}}), true),
            (json!({"topic": "order.created"}), true),
        ] {
            assert_eq!(sample.holds(&filter), expected, "{payload} {filter}");
        }
    }
}

#[test]
fn the_verdict_says_which_condition_failed_and_what_was_found() {
    let sample = sample();
    for (filter, pointer, words) in [
        (
            json!({"payload.total": {"$gte": 100, "$lt": 120}}),
            "/payload.total/$lt",
            "`payload.total` is 120.5, but the filter asks for $lt 120",
        ),
        (
            json!({"topic": "order.created", "metadata.none": "x"}),
            "/metadata.none",
            "`metadata.none` is missing, but the filter asks for $eq \"x\"",
        ),
        (
            json!({"payload.tags": {"$in": ["x", "y"]}}),
            "/payload.tags/$in",
            "`payload.tags` is an array of 2, but the filter asks for $in [\"x\",\"y\"]",
        ),
        (json!({"$or": [{"topic": "a"}, {"topic": "b"}]}), "/$or", "none of the 2 alternatives at `/$or` holds"),
        (json!({"$not": {"payload.paid": true}}), "/$not", "what `/$not` rules out is so"),
        (
            json!({"$and": [{"headers": {"x-region": {"$exists": false}}}]}),
            "/$and/0/headers/x-region/$exists",
            "`headers.x-region` is \"eu\", but the filter asks for $exists false",
        ),
    ] {
        assert_eq!(sample.failure(&compile(&filter)), Some((pointer.to_owned(), words.to_owned())), "{filter}");
    }
    let text = Sample::new("hello");
    let words = text.failure(&compile(&json!({"payload.a~/b": 1})));
    let expected = "the payload is not JSON, but the filter asks about `payload.a~/b`";
    assert_eq!(words, Some(("/payload.a~0~1b".to_owned(), expected.to_owned())));
}

#[test]
fn what_is_shown_of_a_long_value_is_short() {
    let sample = Sample::new(&format!(r#"{{"a":"{}"}}"#, "ü".repeat(10_000)));
    let (_, words) = sample.failure(&compile(&json!({"payload.a": {"$in": ["y".repeat(5_000)]}}))).unwrap();
    assert!(words.chars().count() < 300, "{words}");
}

#[test]
fn a_filter_that_makes_no_sense_is_refused_by_the_name_of_its_member() {
    for (filter, pointer) in [
        (json!([]), ""),
        (json!(null), ""),
        (json!("payload.a"), ""),
        (json!({"total": 1}), "/total"),
        (json!({"Payload.total": 1}), "/Payload.total"),
        (json!({"payload..a": 1}), "/payload..a"),
        (json!({"payload.": 1}), "/payload."),
        (json!({"": 1}), "/"),
        (json!({"payload.a\\b": 1}), "/payload.a\\b"),
        (json!({"payload.a\\": 1}), "/payload.a\\"),
        (json!({"topic.x": 1}), "/topic.x"),
        (json!({"topic": {"x": 1}}), "/topic/x"),
        (json!({"headers": "x"}), "/headers"),
        (json!({"metadata": {"$exists": true}}), "/metadata/$exists"),
        (json!({"payload.a": {}}), "/payload.a"),
        (json!({"$not": {}}), "/$not"),
        (json!({"payload.a": {"$gt": 1, "b": 2}}), "/payload.a"),
        (json!({"payload.a": {"$regex": "x"}}), "/payload.a/$regex"),
        (json!({"payload.a": {"$gt": true}}), "/payload.a/$gt"),
        (json!({"payload.a": {"$lte": null}}), "/payload.a/$lte"),
        (json!({"payload.a": {"$in": 1}}), "/payload.a/$in"),
        (json!({"payload.a": {"$exists": 1}}), "/payload.a/$exists"),
        (json!({"payload.a": {"$startsWith": 1}}), "/payload.a/$startsWith"),
        (json!({"$gt": 1}), "/$gt"),
        (json!({"$or": []}), "/$or"),
        (json!({"$or": {"topic": "x"}}), "/$or"),
        (json!({"$and": [1]}), "/$and/0"),
        (json!({"$and": [{"topic": "x"}, {"b": 1}]}), "/$and/1/b"),
        (json!({"$nor": [{"topic": "x"}]}), "/$nor"),
    ] {
        let error = Filter::compile(&filter).unwrap_err();
        assert_eq!(error.pointer, pointer, "{filter}: {error}");
    }
}

#[test]
fn a_filter_is_bounded_in_depth_number_text_and_path() {
    let nested = |levels: usize| (1..levels).fold(json!({"topic": "x"}), |inner, _| json!({ "$not": inner }));
    assert!(Filter::compile(&nested(MAX_DEPTH)).is_ok());
    assert!(Filter::compile(&nested(MAX_DEPTH + 1)).unwrap_err().to_string().contains("8 levels"));
    let list = |values: usize| json!({"payload.a": {"$in": vec![0; values]}});
    assert!(Filter::compile(&list(MAX_VALUES - 3)).is_ok());
    assert!(Filter::compile(&list(MAX_VALUES - 2)).unwrap_err().to_string().contains("256 values"));
    assert!(Filter::compile(&json!({"topic": "x".repeat(MAX_TEXT_BYTES)})).is_err());
    let path = |segments: usize| json!({ vec!["payload"; segments].join("."): 1 });
    assert!(Filter::compile(&path(MAX_SEGMENTS)).is_ok());
    assert!(Filter::compile(&path(MAX_SEGMENTS + 1)).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z$.]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof!["[a-b0-1.\\\\]{0,3}", "payload(\\.[ab])?", "\\$(and|or|not|eq|ne|in|gt|exists)"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_filter_and_no_payload_make_it_panic(filter in any_json(), payload in any_json()) {
        if let Ok(filter) = Filter::compile(&filter) {
            Sample::new(&payload.to_string()).failure(&filter);
        }
    }

    #[test]
    fn a_negation_holds_exactly_where_the_condition_does_not(filter in any_json(), payload in any_json()) {
        if let (Ok(plain), Ok(negated)) = (Filter::compile(&filter), Filter::compile(&json!({ "$not": filter }))) {
            let sample = Sample::new(&payload.to_string());
            prop_assert_ne!(sample.failure(&plain).is_none(), sample.failure(&negated).is_none());
        }
    }

    #[test]
    fn every_value_equals_itself_and_numbers_have_one_order(a in any_json(), x in any::<i64>(), y in any::<f64>()) {
        prop_assert!(compare::equal(&a, &a));
        let (x_json, y_json) = (json!(x), json!(y));
        let order = compare::order(&x_json, &y_json).unwrap();
        prop_assert_eq!(compare::order(&y_json, &x_json).unwrap(), order.reverse());
        // Where the double is exact, so is the comparison of doubles.
        if x.unsigned_abs() < 1 << 53 {
            #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
            let exact = (x as f64).partial_cmp(&y).unwrap();
            prop_assert_eq!(order, exact);
        }
    }
}
