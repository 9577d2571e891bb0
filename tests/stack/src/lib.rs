//! Tests of the whole pipeline, in virtual and in real time.
