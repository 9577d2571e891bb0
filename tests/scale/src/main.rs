//! `make scale`: plays the curves of `docs/scale.md`, and writes their numbers (`docs/scale`), their pictures
//! (`docs/images`) and the document's tables. With names, only those curves.

use std::io::Write as _;
use std::time::Instant;

use scale::document::{csv_file, docs, facts_csv, facts_file, measured, svg_file, with_tables};
use scale::{Error, Size, curve, plot, runs};

fn main() -> Result<(), Error> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|name| curve::of(name).is_none()) {
        return Err(format!("there is no curve {unknown}").into());
    }
    let docs = docs();
    std::fs::create_dir_all(docs.join("scale"))?;
    for curve in curve::ALL.iter().filter(|curve| wanted.is_empty() || wanted.iter().any(|name| name == curve.name)) {
        let began = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        let run = runtime.block_on(runs::play(curve.name, Size::Whole))?;
        std::fs::write(csv_file(&docs, curve.name), curve::csv(curve, &run.lines))?;
        std::fs::write(svg_file(&docs, curve.name), plot::svg(curve, &run.lines))?;
        let mut facts = measured(&docs)?.facts;
        facts.extend(run.facts.into_iter().map(|(name, value)| (name.to_owned(), curve::digits(value))));
        std::fs::write(facts_file(&docs), facts_csv(&facts))?;
        writeln!(std::io::stdout().lock(), "{}: {} s", curve.name, began.elapsed().as_secs())?;
    }
    let page = docs.join("scale.md");
    if page.exists() {
        let text = std::fs::read_to_string(&page)?;
        std::fs::write(&page, with_tables(&text, &measured(&docs)?)?)?;
    }
    Ok(())
}
