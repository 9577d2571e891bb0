//! Metric math, as far as the template's alarms use it (CloudWatch User Guide, "Using metric math"): numbers, names, the
//! four operations, comparisons, `AND` and `OR`, lists, and `IF`, `FILL`, `SUM`, `MAX`, `MIN`, `AVG`, `DIFF`.

/// A value in one period; `None` where there is none.
type Data = Option<f64>;

/// Why an expression has no value here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the expression is not understood at: {0}")]
pub(super) struct NotUnderstood(String);

/// The value of `text` in one period, counted back from the newest (0). `named` gives the values of the names in it.
pub(super) fn evaluate(text: &str, back: usize, named: &dyn Fn(&str, usize) -> Data) -> Result<Data, NotUnderstood> {
    let mut reader = Reader { rest: text.trim(), back, named };
    let value = reader.either()?;
    if reader.rest.is_empty() { Ok(value) } else { Err(NotUnderstood(reader.rest.to_owned())) }
}

struct Reader<'a> {
    rest: &'a str,
    back: usize,
    named: &'a dyn Fn(&str, usize) -> Data,
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: &str) -> bool {
        let taken = self.rest.strip_prefix(token);
        if let Some(rest) = taken {
            self.rest = rest.trim_start();
        }
        taken.is_some()
    }

    fn want(&mut self, token: &str) -> Result<(), NotUnderstood> {
        if self.take(token) { Ok(()) } else { Err(NotUnderstood(self.rest.to_owned())) }
    }

    fn either(&mut self) -> Result<Data, NotUnderstood> {
        let mut value = self.both()?;
        while self.take("||") || self.take("OR ") {
            value = both(value, self.both()?, |one, other| truth(one != 0.0 || other != 0.0));
        }
        Ok(value)
    }

    fn both(&mut self) -> Result<Data, NotUnderstood> {
        let mut value = self.comparison()?;
        while self.take("&&") || self.take("AND ") {
            value = both(value, self.comparison()?, |one, other| truth(one != 0.0 && other != 0.0));
        }
        Ok(value)
    }

    fn comparison(&mut self) -> Result<Data, NotUnderstood> {
        let left = self.sum()?;
        let compare: fn(f64, f64) -> f64 = match () {
            () if self.take(">=") => |one, other| truth(one >= other),
            () if self.take("<=") => |one, other| truth(one <= other),
            () if self.take(">") => |one, other| truth(one > other),
            () if self.take("<") => |one, other| truth(one < other),
            () => return Ok(left),
        };
        Ok(both(left, self.sum()?, compare))
    }

    fn sum(&mut self) -> Result<Data, NotUnderstood> {
        let mut value = self.product()?;
        loop {
            value = match () {
                () if self.take("+") => both(value, self.product()?, |one, other| one + other),
                () if self.take("-") => both(value, self.product()?, |one, other| one - other),
                () => return Ok(value),
            };
        }
    }

    fn product(&mut self) -> Result<Data, NotUnderstood> {
        let mut value = self.factor()?;
        loop {
            value = match () {
                () if self.take("*") => both(value, self.factor()?, |one, other| one * other),
                // What is divided by nothing has no value.
                () if self.take("/") => {
                    let by = self.factor()?.filter(|by| *by != 0.0);
                    both(value, by, |one, other| one / other)
                }
                () => return Ok(value),
            };
        }
    }

    fn factor(&mut self) -> Result<Data, NotUnderstood> {
        if self.take("(") {
            let value = self.either()?;
            self.want(")")?;
            return Ok(value);
        }
        let end = |rest: &str, is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        let number = end(self.rest, |c| c.is_ascii_digit() || c == '.');
        if number > 0 {
            let (digits, rest) = self.rest.split_at(number);
            self.rest = rest.trim_start();
            return digits.parse().map(Some).map_err(|_| NotUnderstood(digits.to_owned()));
        }
        let name = end(self.rest, |c| c.is_ascii_alphanumeric() || c == '_');
        let (name, rest) = self.rest.split_at(name);
        if name.is_empty() {
            return Err(NotUnderstood(self.rest.to_owned()));
        }
        self.rest = rest.trim_start();
        if self.take("(") { self.call(name) } else { Ok((self.named)(name, self.back)) }
    }

    fn call(&mut self, name: &str) -> Result<Data, NotUnderstood> {
        if name == "DIFF" {
            let (begin, now) = (self.rest, self.either()?);
            self.want(")")?;
            let mut before = Reader { rest: begin, back: self.back + 1, named: self.named };
            return Ok(both(now, before.either()?, |now, before| now - before));
        }
        let list = self.take("[");
        let mut values = vec![self.either()?];
        while self.take(",") {
            values.push(self.either()?);
        }
        if list {
            self.want("]")?;
        }
        self.want(")")?;
        // Over a list what is missing is left out; all missing is missing.
        let known = || values.iter().flatten().copied();
        let fold = |of: fn(f64, f64) -> f64| known().reduce(of);
        match (name, values.as_slice()) {
            ("IF", [condition, then, otherwise]) => {
                Ok(condition.and_then(|condition| if condition != 0.0 { *then } else { *otherwise }))
            }
            ("FILL", [value, with]) => Ok(value.or(*with)),
            ("SUM", _) => Ok(fold(|one, other| one + other)),
            ("MAX", _) => Ok(fold(f64::max)),
            ("MIN", _) => Ok(fold(f64::min)),
            ("AVG", _) => Ok(fold(|one, other| one + other).map(|sum| sum / known().count() as f64)),
            _ => Err(NotUnderstood(name.to_owned())),
        }
    }
}

fn both(one: Data, other: Data, of: impl Fn(f64, f64) -> f64) -> Data {
    Some(of(one?, other?))
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` is 8 now, 5 a period ago; `b` is 2; `none` has no value.
    fn value(text: &str) -> Result<Data, NotUnderstood> {
        let named = |name: &str, back: usize| match (name, back) {
            ("a", 0) => Some(8.0),
            ("a", _) => Some(5.0),
            ("b", _) => Some(2.0),
            _ => None,
        };
        evaluate(text, 0, &named)
    }

    #[test]
    fn expressions_have_the_value_that_cloudwatch_gives_them() {
        for (text, expected) in [
            ("100 * b / a", Some(25.0)),
            ("a - b - 1 + 2 * (b + 1)", Some(11.0)),
            ("a / 0", None),
            ("a + none", None),
            ("FILL(none, 0) + FILL(a, 0)", Some(8.0)),
            ("SUM([a, none, b])", Some(10.0)),
            ("SUM([none])", None),
            ("MAX([a / 4, b])", Some(2.0)),
            ("DIFF(FILL(a, 0) + FILL(none, 0))", Some(3.0)),
            ("IF(SUM([a, b]) >= 10, 100 * FILL(none, 0) / a, 7)", Some(0.0)),
            ("IF(a > 9, 1, 7)", Some(7.0)),
            ("IF(a > 7 AND b < 3, 1, 0)", Some(1.0)),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
        for text in ["", "a b", "RATE(a)", "SUM([a)", "METRICS()"] {
            assert!(value(text).is_err(), "{text}");
        }
    }
}
