//! CoQA's JSON format (Reddy et al. 2019): stories, each with a conversation.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{DataError, DataFile};

/// Maximum turns of a story, because each prompt contains all earlier turns. The longest known conversation has 36.
const MAX_TURNS: usize = 256;
/// Maximum bytes of a story's id and of its domain, which every turn carries.
const MAX_NAME_BYTES: usize = 256;

/// A story and the conversation about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoqaStory {
    pub id: String,
    /// Its source: `mctest`, `cnn`, `wikipedia`, `gutenberg`, `race`…
    pub domain: String,
    pub text: String,
    pub turns: Vec<CoqaTurn>,
}

/// A question and its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoqaTurn {
    pub question: String,
    /// The answer in the conversation, then those of other people.
    pub answers: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    data: Vec<Story>,
}

#[derive(Deserialize)]
struct Story {
    id: String,
    source: String,
    #[serde(rename = "story")]
    text: String,
    questions: Vec<Text>,
    answers: Vec<Text>,
    #[serde(default)]
    additional_answers: BTreeMap<String, Vec<Text>>,
}

#[derive(Deserialize)]
struct Text {
    input_text: String,
    turn_id: usize,
}

/// Reads all stories.
///
/// `Err` names file and line or story of malformed JSON, a story with no or too many turns, a repeated or too long id, or
/// answers that do not match the questions.
pub fn read_coqa(file: &DataFile) -> Result<Vec<CoqaStory>, DataError> {
    let text = file.text()?;
    let File { data } = serde_json::from_str(text).map_err(|error| {
        let truncated = if error.is_eof() {
            ": the file ends within its JSON, so it is truncated; get it again"
        } else {
            ""
        };
        file.record_error(error.line(), format!("malformed CoQA file: {error}{truncated}"))
    })?;
    if data.is_empty() {
        return Err(DataError::Empty { file: file.name.clone() });
    }
    let mut names = BTreeSet::new();
    data.into_iter()
        .map(|story| {
            if !names.insert(story.id.clone()) {
                let line = line_of_second(text, &story.id);
                return Err(file.record_error(line, format!("two stories have the id {:?}", story.id)));
            }
            read_story(file, story)
        })
        .collect()
}

/// The line of the second story with this id, from 1.
fn line_of_second(text: &str, id: &str) -> usize {
    let quoted = serde_json::to_string(id).unwrap_or_default();
    let at = text.match_indices(&quoted).nth(1).map_or(0, |(at, _)| at);
    1 + text.get(..at).unwrap_or_default().matches('\n').count()
}

fn read_story(file: &DataFile, story: Story) -> Result<CoqaStory, DataError> {
    for (field, name) in [("id", &story.id), ("source", &story.source)] {
        if name.len() > MAX_NAME_BYTES {
            let bytes = name.len();
            let reason =
                format!("a story's `{field}` has {bytes} bytes, expected at most {MAX_NAME_BYTES}: {name:?}");
            return Err(file.record_error(1, reason));
        }
    }
    let wrong = |reason: String| file.record_error(1, format!("story {}: {reason}", story.id));
    if story.questions.len() > MAX_TURNS {
        return Err(wrong(format!("{} questions, expected at most {MAX_TURNS}", story.questions.len())));
    }
    if story.questions.is_empty() {
        return Err(wrong("found no questions".to_owned()));
    }
    let in_order = |texts: &[Text], what: &str| {
        let expected = story.questions.len();
        if texts.len() != expected {
            return Err(wrong(format!(
                "{} {what}, expected one for each of {expected} questions",
                texts.len()
            )));
        }
        match texts.iter().enumerate().find(|(index, text)| text.turn_id != index + 1) {
            Some((index, text)) => {
                Err(wrong(format!("turn_id {} among the {what}, expected {}", text.turn_id, index + 1)))
            }
            None => Ok(()),
        }
    };
    in_order(&story.questions, "questions")?;
    in_order(&story.answers, "answers")?;
    for (key, answers) in &story.additional_answers {
        in_order(answers, &format!("additional answers `{key}`"))?;
    }
    let turns = story
        .questions
        .iter()
        .enumerate()
        .map(|(turn, question)| {
            let lists = std::iter::once(&story.answers).chain(story.additional_answers.values());
            let answers = lists.map(|answers| answers[turn].input_text.clone()).collect();
            CoqaTurn { question: question.input_text.clone(), answers }
        })
        .collect();
    Ok(CoqaStory { id: story.id, domain: story.source, text: story.text, turns })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    const STORY: &str = r#"{"version":"1.0","data":[{"source":"mctest","id":"s1","filename":"f","story":"Ann ran.",
        "questions":[{"input_text":"Who ran?","turn_id":1},{"input_text":"Why?","turn_id":2}],
        "answers":[{"input_text":"Ann","turn_id":1},{"input_text":"unknown","turn_id":2}],
        "additional_answers":{"0":[{"input_text":"ann","turn_id":1},{"input_text":"no","turn_id":2}]}}]}"#;

    fn read(text: &str) -> Result<Vec<CoqaStory>, String> {
        let mut file = DataFile::bundled("c.json", b"");
        file.bytes = Cow::Owned(text.as_bytes().to_vec());
        read_coqa(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn stories_and_their_turns() {
        let stories = read(STORY).unwrap();
        assert_eq!((stories.len(), stories[0].domain.as_str()), (1, "mctest"));
        assert_eq!(stories[0].turns[0].answers, ["Ann", "ann"]);
        assert_eq!(stories[0].turns[1].question, "Why?");
    }

    #[test]
    fn messages_name_the_story() {
        let wrong = |from: &str, to: &str| read(&STORY.replacen(from, to, 1)).unwrap_err();
        assert!(wrong("\"turn_id\":2", "\"turn_id\":3").contains("story s1: turn_id 3 among the questions"));
        assert!(wrong(",{\"input_text\":\"no\",\"turn_id\":2}", "").contains("1 additional answers `0`"));
        assert!(wrong("\"story\"", "\"text\"").contains("missing field `story`"));
        assert!(wrong("\"version\":\"1.0\",", "\n\n!").contains("c.json:3: malformed"));
        let story = &STORY["{\"version\":\"1.0\",\"data\":[".len()..STORY.len() - 2];
        let twice = read(&format!("{{\"data\":[{story},{story}]}}")).unwrap_err();
        assert!(twice.contains("c.json:4: two stories have the id \"s1\""), "{twice}");
        let cut = read(&STORY[..STORY.len() - 30]).unwrap_err();
        assert!(cut.contains("c.json:4: malformed") && cut.contains("truncated"), "{cut}");
        let long = wrong("s1", &"x".repeat(257));
        assert!(long.contains("a story's `id` has 257 bytes, expected at most 256: \"xxx"), "{long}");
        let many = ",{\"input_text\":\"Why?\",\"turn_id\":2}".repeat(256);
        assert!(
            wrong(",{\"input_text\":\"Why?\",\"turn_id\":2}", &many)
                .contains("257 questions, expected at most 256")
        );
        assert!(read("{\"data\":[]}").unwrap_err().contains("no records"));
    }
}
