//! Records as their readers want them: series, summaries, tables.
