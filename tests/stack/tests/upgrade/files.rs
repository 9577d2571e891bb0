//! What a stack of a release leaves, as files whose differences can be read: a line for each item, message and change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use afferent_domain::Timestamp;
use local_sqs::Kept;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a stack of one release leaves.
#[derive(Clone, Debug)]
pub struct Release {
    pub about: About,
    /// The items of each table, as DynamoDB writes them.
    pub tables: BTreeMap<String, Vec<Value>>,
    /// The messages of each queue that has any, those in flight too.
    pub queues: BTreeMap<String, Vec<Kept>>,
    /// The changes in the stream of `records` that nobody has been told of.
    pub stream: Vec<Value>,
    /// The values of the secrets, made up for this stack and used nowhere else.
    pub secrets: BTreeMap<String, String>,
    /// What the simulated Withings knew.
    pub withings: Value,
    /// The schemas that its events follow, by their names.
    pub schemas: BTreeMap<String, Value>,
}

/// What is no state of the stack, and needed to go on with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    pub version: String,
    /// When everything was as it is here.
    pub at_ms: Timestamp,
    /// A key of the API that may do everything.
    pub key: String,
    pub parameters: BTreeMap<String, String>,
    /// The secrets that each endpoint's webhooks are signed with, by the endpoint's id.
    pub signing: BTreeMap<String, Vec<String>>,
}

/// The folder that holds a folder for each release.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/releases")
}

/// Every release that there is.
pub fn all() -> Vec<Release> {
    let mut folders: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    // By their numbers: 0.10.0 comes after 0.9.0.
    let numbers = |path: &PathBuf| -> Vec<u64> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.split('.').map(|part| part.parse().unwrap()).collect()
    };
    folders.sort_by_key(numbers);
    assert!(!folders.is_empty(), "there is no release to come from");
    folders.iter().map(|path| Release::read(path)).collect()
}

impl Release {
    pub fn read(folder: &Path) -> Self {
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            about: serde_json::from_str(&read("about.json")).unwrap(),
            tables: by_file(&folder.join("tables"), lines),
            queues: by_file(&folder.join("queues"), lines),
            stream: lines(&read("stream.jsonl")),
            secrets: serde_json::from_str(&read("secrets.json")).unwrap(),
            withings: serde_json::from_str(&read("withings.json")).unwrap(),
            schemas: serde_json::from_str(&read("schemas.json")).unwrap(),
        }
    }

    /// The same as files: path and text.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::from([
            ("about.json".to_owned(), laid_out(&serde_json::to_value(&self.about).unwrap(), 2)),
            ("secrets.json".to_owned(), laid_out(&serde_json::to_value(&self.secrets).unwrap(), 1)),
            ("withings.json".to_owned(), laid_out(&self.withings, 5)),
            ("schemas.json".to_owned(), laid_out(&serde_json::to_value(&self.schemas).unwrap(), 1)),
            ("stream.jsonl".to_owned(), jsonl(&self.stream)),
        ]);
        files.extend(self.tables.iter().map(|(name, items)| (format!("tables/{name}.jsonl"), jsonl(items))));
        files.extend(self.queues.iter().map(|(name, messages)| (format!("queues/{name}.jsonl"), jsonl(messages))));
        files
    }

    /// Writes the files in the place of those that are there.
    pub fn write(&self, folder: &Path) {
        if folder.exists() {
            fs::remove_dir_all(folder).unwrap();
        }
        for (name, text) in self.files() {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    /// The items of a table.
    pub fn table(&self, name: &str) -> &[Value] {
        self.tables.get(name).map_or(&[], Vec::as_slice)
    }
}

/// The text of an attribute, whatever its type: `{"N":"5"}` is `5`.
pub fn text<'a>(item: &'a Value, attribute: &str) -> &'a str {
    let typed = item[attribute].as_object().and_then(|typed| typed.values().next());
    typed.and_then(Value::as_str).unwrap_or_default()
}

fn by_file<T>(folder: &Path, read: impl Fn(&str) -> Vec<T>) -> BTreeMap<String, Vec<T>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.map(|path| (name(&path), read(&fs::read_to_string(&path).unwrap()))).collect()
}

fn lines<T: for<'a> Deserialize<'a>>(text: &str) -> Vec<T> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn jsonl<T: Serialize>(all: &[T]) -> String {
    all.iter().map(|one| sorted(serde_json::to_value(one).unwrap()).to_string() + "\n").collect()
}

/// The same with the members of objects in the order of their names, and those of DynamoDB's sets in their own.
pub fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> = members.into_iter().collect();
            let one = |(name, value): (String, Value)| {
                let mut value = sorted(value);
                if let (true, Value::Array(set)) = (name == "SS" || name == "NS", &mut value) {
                    set.sort_by_key(Value::to_string);
                }
                (name, value)
            };
            Value::Object(members.into_iter().map(one).collect::<Map<_, _>>())
        }
        Value::Array(all) => Value::Array(all.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// JSON whose lists and objects take a line for each member down to `depth`, and one line below.
fn laid_out(value: &Value, depth: usize) -> String {
    let mut text = String::new();
    lay_out(&mut text, &sorted(value.clone()), depth, 0);
    text + "\n"
}

fn lay_out(text: &mut String, value: &Value, depth: usize, level: usize) {
    let members: Vec<(Option<&String>, &Value)> = match value {
        Value::Object(members) if !members.is_empty() => members.iter().map(|(name, one)| (Some(name), one)).collect(),
        Value::Array(members) if !members.is_empty() => members.iter().map(|one| (None, one)).collect(),
        _ => Vec::new(),
    };
    if depth == 0 || members.is_empty() {
        text.push_str(&value.to_string());
        return;
    }
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    text.push(open);
    for (place, (name, one)) in members.iter().enumerate() {
        text.push_str(if place == 0 { "\n" } else { ",\n" });
        text.push_str(&" ".repeat(level + 1));
        if let Some(name) = name {
            text.push_str(&format!("{}: ", Value::from(name.as_str())));
        }
        lay_out(text, one, depth - 1, level + 1);
    }
    text.push_str(&format!("\n{}{close}", " ".repeat(level)));
}
