//! Every file of the crate that is made, with what is to be in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::{common, compounds, examples, forms, notices};

/// Every schema by its kind.
pub fn schemas() -> BTreeMap<String, Value> {
    let compounds = compounds::all().into_iter().map(|(kind, form)| (kind.to_owned(), vec![form]));
    let records = forms::of_tables().into_iter().chain(compounds).map(|(kind, forms)| {
        let schema = forms::of_records(&kind, forms, &examples::of_kind(&kind));
        (kind, schema)
    });
    records.chain(notices::all()).collect()
}

/// Every file, by its path in the crate.
pub fn files() -> BTreeMap<String, String> {
    let schemas = schemas();
    let mut files: BTreeMap<String, String> =
        schemas.iter().map(|(kind, schema)| (format!("schema/{kind}.json"), pretty(schema))).collect();
    files.insert("schema/common.json".to_owned(), pretty(&common::common()));
    files.insert("src/table.rs".to_owned(), table(schemas.keys()));
    files
}

/// How wide a line of JSON may be.
const WIDTH: usize = 120;

fn pretty(json: &Value) -> String {
    let mut text = String::new();
    write(json, 0, 0, &mut text);
    text.push('\n');
    text
}

/// Writes JSON so that what fits into a line is one. `before` and `indent` are the columns already used in this line and
/// those that the next lines begin with.
fn write(json: &Value, before: usize, indent: usize, text: &mut String) {
    let short = json.to_string();
    let (open, close, members): (_, _, Vec<(String, &Value)>) = match json {
        Value::Object(members) => (
            '{',
            '}',
            members.iter().map(|(name, member)| (format!("{}: ", Value::from(name.as_str())), member)).collect(),
        ),
        Value::Array(items) => ('[', ']', items.iter().map(|item| (String::new(), item)).collect()),
        _ => return text.push_str(&short),
    };
    if indent > 0 && before + short.len() < WIDTH {
        return text.push_str(&short);
    }
    text.push(open);
    let inner = indent + 1;
    for (index, (name, member)) in members.iter().enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.extend(std::iter::repeat_n(' ', inner));
        text.push_str(name);
        write(member, inner + name.len(), inner, text);
    }
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', indent));
    text.push(close);
}

fn table<'a>(kinds: impl Iterator<Item = &'a String>) -> String {
    let mut text = String::from(
        "//! The files of `schema/`. Made by `UPDATE=1 cargo test -p afferent-schemas`; not to be edited.\n\n\
         /// What every schema refers to.\n\
         pub(crate) const COMMON: &str = include_str!(\"../schema/common.json\");\n\n\
         /// The schema of each kind, sorted by kind.\n\
         pub(crate) const KINDS: &[(&str, &str)] = &[\n",
    );
    for kind in kinds {
        let _ = writeln!(text, "    (\"{kind}\", include_str!(\"../schema/{kind}.json\")),");
    }
    text.push_str("];\n");
    text
}
