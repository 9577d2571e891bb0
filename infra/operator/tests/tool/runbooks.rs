//! What the documents tell somebody to type at `afferent`, the tool takes.

use std::fs;
use std::path::{Path, PathBuf};

use afferent_operator::Cli;
use clap::Parser as _;

/// What stands in documents for what somebody has to fill in, where the tool takes no other word there.
const PLACEHOLDERS: [(&str, &str); 8] = [
    ("--day …", "--day 2026-11-21"),
    ("--days N", "--days 7"),
    ("--since T", "--since 24h"),
    ("--overlap D", "--overlap 24h"),
    ("--queue Q", "--queue pulls"),
    ("--state S", "--state waiting"),
    ("ENDPOINT NUMBER", "ENDPOINT 1"),
    ("--rate R", "--rate 600"),
];

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Every page of `docs`, those of its folders too, and the README.
fn pages() -> Vec<PathBuf> {
    fn below(folder: &Path) -> Vec<PathBuf> {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
    }
    let is_page = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "md");
    below(&root().join("docs")).into_iter().chain([root().join("README.md")]).filter(is_page).collect()
}

/// Every call of the tool on a page: a line of a shell block, or inline code.
fn calls(page: &str) -> Vec<String> {
    let mut calls = Vec::new();
    // The README gives the longest of the commands a name of its own.
    let alias = page.contains("alias endpoints='target/debug/afferent endpoints'");
    let line = |line: &str| {
        let line = line.trim();
        let own = line.strip_prefix("endpoints ").filter(|_| alias);
        own.map(|rest| format!("afferent endpoints {rest}"))
            .or_else(|| line.starts_with("afferent ").then(|| line.to_owned()))
    };
    for (place, block) in page.split("```").enumerate() {
        if place % 2 == 1 {
            calls.extend(block.lines().filter_map(line));
        } else {
            calls.extend(inline(block).filter(|code| code.starts_with("afferent ")).map(str::to_owned));
        }
    }
    calls
}

fn inline(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').enumerate().filter(|(place, _)| place % 2 == 1).map(|(_, code)| code)
}

/// The calls that the table of all commands names, without the tool's name: `users list \| show USER` are two.
fn table(page: &str) -> Vec<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.map(|row| format!("`{}", row.split(" | ").next().unwrap_or_default()));
    let mut calls = Vec::new();
    for cell in cells {
        for code in inline(&cell).filter(|code| !code.starts_with("--")) {
            let mut ways = code.split(" \\| ");
            let first = ways.next().unwrap_or_default();
            let noun = first.split(' ').next().unwrap_or_default();
            calls.push(format!("afferent {first}"));
            calls.extend(ways.map(|way| format!("afferent {noun} {way}")));
        }
    }
    calls
}

/// The words of a call as they are typed.
fn words(call: &str) -> Vec<String> {
    let call = call.split(" | ").next().unwrap_or_default().split(" #").next().unwrap_or_default();
    let mut call = call.replace(['"', '\'', '[', ']'], "");
    for (placeholder, example) in PLACEHOLDERS {
        call = call.replace(placeholder, example);
    }
    call.replace(" …", "").split_whitespace().map(str::to_owned).collect()
}

fn refusal(call: &str) -> Option<String> {
    Cli::try_parse_from(words(call)).err().map(|error| error.to_string())
}

#[test]
fn the_tool_takes_what_the_documents_say() {
    let (mut count, mut found) = (0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let calls = calls(&text);
        found.extend(calls.first().map(|_| page.file_name().unwrap().to_str().unwrap().to_owned()));
        // A noun alone is what there is a command for, and no command.
        for call in calls.iter().filter(|call| *call != "afferent endpoints") {
            assert_eq!(refusal(call), None, "{}: {call}", page.display());
            count += 1;
        }
    }
    for page in ["README.md", "operator.md", "api-keys.md", "restoring.md", "rotating.md", "operating.md"] {
        assert!(found.iter().any(|name| name == page), "no call was found in {page}");
    }
    assert!(count > 40, "only {count} calls were found");
}

#[test]
fn the_tool_takes_what_the_table_of_all_commands_says_and_the_table_says_all() {
    let page = fs::read_to_string(root().join("docs/operator.md")).unwrap();
    let calls = table(page.split("## ").next().unwrap());
    for call in &calls {
        assert_eq!(refusal(call), None, "{call}");
    }
    let mut missing = Vec::new();
    for command in <Cli as clap::CommandFactory>::command().get_subcommands() {
        let own = command.get_name();
        let below: Vec<_> = command.get_subcommands().map(|below| format!("{own} {}", below.get_name())).collect();
        let all = if below.is_empty() { vec![own.to_owned()] } else { below };
        let is_there =
            |name: &String| calls.iter().any(|call| format!("{call} ").starts_with(&format!("afferent {name} ")));
        missing.extend(all.into_iter().filter(|name| !is_there(name)));
    }
    assert_eq!(missing, Vec::<String>::new(), "not in docs/operator.md");
}

#[test]
fn a_call_that_the_tool_does_not_know_is_found_and_not_taken() {
    let page = "Do `afferent dead bury --stack S`, or:\n\n```sh\nafferent quarantine replay --every\n```\n";
    let calls = calls(page);
    assert_eq!(calls, ["afferent dead bury --stack S", "afferent quarantine replay --every"]);
    assert!(calls.iter().all(|call| refusal(call).is_some()));
    let page = "alias endpoints='target/debug/afferent endpoints'\n```sh\nendpoints bury ep_1   # says why\n```\n";
    assert_eq!(self::calls(page), ["afferent endpoints bury ep_1   # says why"]);
    let table = table("| command | does |\n|---|---|\n| `users list \\| bury USER`, with `--all` | |\n");
    assert_eq!(table, ["afferent users list", "afferent users bury USER"]);
    assert!(refusal(&table[0]).is_none() && refusal(&table[1]).is_some());
}
