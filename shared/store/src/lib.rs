//! The seven tables: their items, and the conditional writes that keep them true.
