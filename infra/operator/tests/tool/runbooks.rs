//! What the runbooks tell somebody to type at `afferent`, the tool takes.

use std::fs;
use std::path::PathBuf;

use afferent_operator::Cli;
use clap::Parser as _;

/// The runbooks and the walk through them.
fn pages() -> Vec<PathBuf> {
    let docs = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"));
    let runbooks = fs::read_dir(docs.join("runbooks")).unwrap().map(|entry| entry.unwrap().path());
    runbooks.chain([docs.join("operating.md")]).collect()
}

/// Every call of the tool on a page: a line of a shell block, or inline code.
fn calls(page: &str) -> Vec<String> {
    let mut calls = Vec::new();
    for (place, block) in page.split("```").enumerate() {
        if place % 2 == 1 {
            calls.extend(block.lines().map(str::trim).filter(|line| line.starts_with("afferent ")).map(str::to_owned));
        } else {
            let inline = block.split('`').enumerate().filter(|(place, _)| place % 2 == 1);
            calls.extend(inline.filter(|(_, code)| code.starts_with("afferent ")).map(|(_, code)| code.to_owned()));
        }
    }
    calls
}

#[test]
fn the_tool_takes_what_the_runbooks_say() {
    let mut count = 0;
    for page in pages() {
        for call in calls(&fs::read_to_string(&page).unwrap()) {
            let words = call.split(" | ").next().unwrap().replace('"', "");
            let parsed = Cli::try_parse_from(words.split_whitespace());
            assert!(parsed.is_ok(), "{}: {call}: {}", page.display(), parsed.err().unwrap());
            count += 1;
        }
    }
    assert!(count > 20, "only {count} calls were found");
}

#[test]
fn a_call_that_the_tool_does_not_know_is_found_and_not_taken() {
    let page = "Do `afferent dead bury --stack S`, or:\n\n```sh\nafferent quarantine replay --every\n```\n";
    let calls = calls(page);
    assert_eq!(calls, ["afferent dead bury --stack S", "afferent quarantine replay --every"]);
    assert!(calls.iter().all(|call| Cli::try_parse_from(call.split_whitespace()).is_err()));
}
