//! A test for each rule, on sentences of our own.

use super::*;

/// The sentences with both candidates in the place of `[pronoun]`, or of `_`.
fn sentences(text: &str, candidates: [&str; 2]) -> [String; 2] {
    let candidates = candidates.map(str::to_owned);
    let made = match text.split_once('[') {
        Some((before, rest)) => {
            let (pronoun, after) = rest.split_once(']').unwrap();
            let text = format!("{before}{pronoun}{after}");
            replace_pronoun(&text, pronoun, before.chars().count(), &candidates)
        }
        None => {
            let (before, after) = text.split_once('_').unwrap();
            fill_blank(before, after, &candidates)
        }
    };
    made.contexts.map(|context| format!("{context}{}", made.rest))
}

#[track_caller]
fn check(text: &str, candidates: [&str; 2], expected: [&str; 2]) {
    assert_eq!(sentences(text, candidates), expected);
}

#[test]
fn the_first_letter_fits_the_place() {
    let candidates = ["The vase", "the shelf"];
    check(
        "It cracked because [it] was old.",
        candidates,
        ["It cracked because the vase was old.", "It cracked because the shelf was old."],
    );
    check(
        "\"It cracked!\" [It] was old.",
        candidates,
        ["\"It cracked!\" The vase was old.", "\"It cracked!\" The shelf was old."],
    );
    check("[It] was old.", candidates, ["The vase was old.", "The shelf was old."]);
    check(
        "It cracked because _ was old.",
        candidates,
        ["It cracked because the vase was old.", "It cracked because the shelf was old."],
    );
    check(
        "It cracked. _ was old.",
        ["the vase", "Ida"],
        ["It cracked. The vase was old.", "It cracked. Ida was old."],
    );
    check(
        "They left because _ was late.",
        ["I", "She"],
        ["They left because I was late.", "They left because she was late."],
    );
}

#[test]
fn white_space_is_single() {
    check(
        "The  cup\nfell on Ünal because  [it]  was old .",
        ["The cup", "Ünal"],
        ["The cup fell on Ünal because the cup was old .", "The cup fell on Ünal because Ünal was old ."],
    );
    check(
        "The cup  fell and _  broke.",
        ["the cup", "Ida"],
        ["The cup fell and the cup broke.", "The cup fell and Ida broke."],
    );
}

#[test]
fn mentioned_things_are_definite() {
    check(
        "Ida saw a fox beside that barn, and [it] was red.",
        ["a fox", "that barn"],
        [
            "Ida saw a fox beside that barn, and the fox was red.",
            "Ida saw a fox beside that barn, and the barn was red.",
        ],
    );
    check(
        "Sand blew into old boots. [They] were wet.",
        ["sand", "old boots"],
        ["Sand blew into old boots. The sand were wet.", "Sand blew into old boots. The old boots were wet."],
    );
    check(
        "I put my key on an egg and broke [it].",
        ["my key", "an egg"],
        ["I put my key on an egg and broke the key.", "I put my key on an egg and broke the egg."],
    );
    // A determiner of both candidates, names and indefinite pronouns stay.
    check(
        "Ida shut her box and her bag and opened [them].",
        ["her box", "her bag"],
        [
            "Ida shut her box and her bag and opened her box.",
            "Ida shut her box and her bag and opened her bag.",
        ],
    );
    check(
        "Ida waved, but [they] left.",
        ["someone", "Kurt"],
        ["Ida waved, but someone left.", "Ida waved, but Kurt left."],
    );
    check(
        "Ida saw her asking for this building and [it] shone.",
        ["her asking for", "this building"],
        [
            "Ida saw her asking for this building and her asking for shone.",
            "Ida saw her asking for this building and the building shone.",
        ],
    );
    // The words of a blank are as the authors chose them.
    check(
        "The fox saw boots and _ were red.",
        ["a fox", "boots"],
        ["The fox saw boots and a fox were red.", "The fox saw boots and boots were red."],
    );
}

#[test]
fn relatives_belong_to_the_named_person_or_the_speaker() {
    check(
        "Ida woke her son because [she] was late.",
        ["Ida", "her son"],
        ["Ida woke her son because Ida was late.", "Ida woke her son because Ida's son was late."],
    );
    check(
        "Ida has a niece. [She] is kind.",
        ["Ida", "niece"],
        ["Ida has a niece. Ida is kind.", "Ida has a niece. Ida's niece is kind."],
    );
    check(
        "The nurse woke her son. [He] was late.",
        ["The nurse", "her son"],
        ["The nurse woke her son. The nurse was late.", "The nurse woke her son. The son was late."],
    );
    check(
        "Ida knew my aunt. [She] was kind.",
        ["Ida", "my aunt"],
        ["Ida knew my aunt. Ida was kind.", "Ida knew my aunt. My aunt was kind."],
    );
}

#[test]
fn genitives_only_in_the_place_of_possessives() {
    check(
        "Ida read Kurt's letter because [she] was curious.",
        ["Ida", "Kurt's"],
        [
            "Ida read Kurt's letter because Ida was curious.",
            "Ida read Kurt's letter because Kurt was curious.",
        ],
    );
    check(
        "The boys' dog bit Ida, so [they] cried.",
        ["The boys'", "Ida"],
        ["The boys' dog bit Ida, so the boys cried.", "The boys' dog bit Ida, so Ida cried."],
    );
    check(
        "Kurt met Ida and praised [his] hat.",
        ["Kurt's", "Ida"],
        ["Kurt met Ida and praised Kurt's hat.", "Kurt met Ida and praised Ida's hat."],
    );
    check(
        "The boys met James at [their] camp.",
        ["The boys", "James"],
        ["The boys met James at the boys' camp.", "The boys met James at James's camp."],
    );
    // An elliptic genitive stands for the thing of the other one.
    check(
        "Ida's hat lay below Kurt's, and [it] was wet.",
        ["Ida's hat", "Kurt's"],
        [
            "Ida's hat lay below Kurt's, and Ida's hat was wet.",
            "Ida's hat lay below Kurt's, and Kurt's hat was wet.",
        ],
    );
}

#[test]
fn her_is_possessive_before_a_noun_only() {
    let candidates = ["Ida", "the nurse"];
    check(
        "Ida met the nurse in [her] family home.",
        candidates,
        ["Ida met the nurse in Ida's family home.", "Ida met the nurse in the nurse's family home."],
    );
    let against = sentences("Kurt kept the key against [her] will.", candidates);
    assert_eq!(against[1], "Kurt kept the key against the nurse's will.");
    for after in [".", " will be glad.", " about it.", " quickly.", ", and left."] {
        let sentences = sentences(&format!("Kurt told [her]{after}"), candidates);
        assert_eq!(sentences, [format!("Kurt told Ida{after}"), format!("Kurt told the nurse{after}")]);
    }
}

#[test]
fn pronouns_are_resolved_or_take_the_case_of_the_place() {
    check(
        "Kurt's aunt beats him, though [he] is younger.",
        ["him", "Kurt's aunt"],
        [
            "Kurt's aunt beats him, though Kurt is younger.",
            "Kurt's aunt beats him, though Kurt's aunt is younger.",
        ],
    );
    check(
        "Ida beats him, though [he] is younger.",
        ["him", "Ida"],
        ["Ida beats him, though he is younger.", "Ida beats him, though Ida is younger."],
    );
    check(
        "I met Ida, and Kurt saw [her].",
        ["I", "Ida"],
        ["I met Ida, and Kurt saw me.", "I met Ida, and Kurt saw Ida."],
    );
    check("I met Ida in [her] house.", ["I", "Ida"], ["I met Ida in my house.", "I met Ida in Ida's house."]);
    check(
        "Me and Ida left because [she] was late.",
        ["me", "Ida"],
        ["Me and Ida left because I was late.", "Me and Ida left because Ida was late."],
    );
}

#[test]
fn one_and_ones_become_the_noun() {
    check(
        "The old boats passed the new ones because [they] were fast.",
        ["The old boats", "the new ones"],
        [
            "The old boats passed the new ones because the old boats were fast.",
            "The old boats passed the new ones because the new boats were fast.",
        ],
    );
    check(
        "Ida sold her boat for a new one, and [it] sank.",
        ["her boat", "a new one"],
        [
            "Ida sold her boat for a new one, and the boat sank.",
            "Ida sold her boat for a new one, and the new boat sank.",
        ],
    );
}

#[test]
fn one_of_many_is_singular() {
    let of_many = |pronoun, candidate| {
        let text = format!("Ida met one of the big boxes, ladies, boats. [{pronoun}] was loud.");
        let [_, sentence] = sentences(&text, ["Ida", candidate]);
        sentence.rsplit_once(". ").unwrap().1.to_owned()
    };
    assert_eq!(of_many("It", "the boxes"), "The box was loud.");
    assert_eq!(of_many("They", "the boxes"), "The boxes was loud.");
    // More than a determiner and an adjective away from `one of`.
    assert_eq!(of_many("It", "the boats"), "The boats was loud.");
    let [_, sentence] = sentences("Ida met one of the ladies. [She] was loud.", ["Ida", "the ladies"]);
    assert_eq!(sentence, "Ida met one of the ladies. The lady was loud.");
    let [_, sentence] = sentences("Ida met the boats. [It] was loud.", ["Ida", "the boats"]);
    assert_eq!(sentence, "Ida met the boats. The boats was loud.");
}

#[test]
fn blanks_are_genitive_before_nouns() {
    let candidates = ["Ida", "The boys"];
    check(
        "Ida met the boys at _ camp.",
        candidates,
        ["Ida met the boys at Ida's camp.", "Ida met the boys at the boys' camp."],
    );
    check(
        "Ida left because _ turn was over.",
        candidates,
        ["Ida left because Ida's turn was over.", "Ida left because the boys' turn was over."],
    );
    for text in [
        "Kurt walked toward _ quickly.",
        "Kurt walked toward _ and sang.",
        "Kurt insisted on _ leaving.",
        "Kurt left because _ was late.",
        "Kurt left because _ never was late.",
        "Kurt left because _ sang.",
        "Kurt left after _.",
        "Kurt left _'s dog.",
    ] {
        assert_eq!(sentences(text, candidates)[0], text.replace('_', "Ida"));
    }
}

#[test]
fn odd_schemas_are_read() {
    for candidates in [["", ""], ["'s", "'"], ["one", "ones"], ["the", "a"], ["her", "s"]] {
        for text in ["[x]", "[her]", "a [Her] b", "_", "of _ b", "one of the [it]"] {
            assert!(sentences(text, candidates).iter().all(|sentence| sentence.len() < 40));
        }
    }
    let beyond = replace_pronoun("ab", "it", 9, &["x".to_owned(), "y".to_owned()]);
    assert_eq!(beyond.contexts, ["abthe x", "abthe y"]);
}
