//! Which values go together, as the gateway's compiler sees it.

use regex::RegexBuilder;

use super::Why;
use super::node::{Binary, Function, Kind, Node, Type, Unary};
use Type::{Any, Bool, Float, Int, List, Nil, Text};

/// The type of a part, from those of the parts below.
pub(super) fn type_of(kind: &Kind) -> Result<Type, Why> {
    match kind {
        Kind::Int(_) => Ok(Int),
        Kind::Float(_) | Kind::Var(_) => Ok(Float),
        Kind::Text(_) => Ok(Text),
        Kind::Bool(_) => Ok(Bool),
        Kind::Nil => Ok(Nil),
        Kind::List(_) => Ok(List),
        Kind::Unary(Unary::Not, part) => both(part.ty, Any, &[Bool])
            .then_some(Bool)
            .ok_or(Why::Types),
        Kind::Unary(_, part) => match part.ty {
            ty @ (Int | Float | Any) => Ok(ty),
            _ => Err(Why::Types),
        },
        Kind::Binary(op, left, right) => binary(*op, left, right),
        Kind::Chain(first, rest) => {
            let mut left = &**first;
            for (op, right) in rest {
                binary(*op, left, right)?;
                left = right;
            }
            Ok(Bool)
        }
        Kind::Choice(parts) => {
            let [condition, met, unmet] = &**parts;
            if !matches!(condition.ty, Bool | Any) {
                return Err(Why::Types);
            }
            Ok(if met.ty == unmet.ty { met.ty } else { Any })
        }
        Kind::Call(function, parts) => call(*function, parts),
    }
}

/// Whether two values are of the same of some types, or one of one and the other only known later.
fn both(left: Type, right: Type, types: &[Type]) -> bool {
    let fits = |ty| ty == Any || types.contains(&ty);
    fits(left) && fits(right)
}

const NUMBERS: &[Type] = &[Int, Float];

fn binary(op: Binary, left: &Node, right: &Node) -> Result<Type, Why> {
    let (l, r) = (left.ty, right.ty);
    let known = |ty: Type| if l == Any || r == Any { Any } else { ty };
    let number = if l == Int && r == Int { Int } else { Float };
    let numbers = both(l, r, NUMBERS);
    let texts = both(l, r, &[Text]);
    let told = match op {
        Binary::Or | Binary::And => both(l, r, &[Bool]).then_some(Bool),
        Binary::Equal | Binary::Unequal => {
            let same = l == r || numbers || l == Any || r == Any || l == Nil || r == Nil;
            same.then_some(Bool)
        }
        Binary::Less | Binary::Greater | Binary::AtLeast | Binary::AtMost => {
            (numbers || texts).then_some(Bool)
        }
        Binary::In => is_member(l, right).then_some(Bool),
        Binary::Matches => {
            if let Kind::Text(pattern) = &right.kind {
                // The regular expressions of Go and of Rust are of one family.
                let built = RegexBuilder::new(pattern).size_limit(1 << 20).build();
                built.map_err(|_| Why::Pattern)?;
            }
            texts.then_some(Bool)
        }
        Binary::Contains | Binary::StartsWith | Binary::EndsWith => texts.then_some(Bool),
        Binary::Add if texts && !numbers => Some(known(Text)),
        Binary::Add | Binary::Sub | Binary::Mul => numbers.then(|| known(number)),
        Binary::Div | Binary::Power => numbers.then_some(Float),
        Binary::Rem => both(l, r, &[Int]).then(|| known(Int)),
        Binary::Coalesce => Some(match (l, r) {
            (Nil, other) | (other, Nil) => other,
            _ if l == r => l,
            _ => Any,
        }),
    };
    told.ok_or(Why::Types)
}

/// Whether it makes sense to ask if a value is in a list.
fn is_member(value: Type, list: &Node) -> bool {
    let Kind::List(parts) = &list.kind else {
        return list.ty == Any || list.ty == List;
    };
    let mut types = parts.iter().map(|part| part.ty);
    let Some(first) = types.next() else {
        return true;
    };
    // A list of one type only holds values of that type; of a mixed one the gateway knows no type.
    types.any(|ty| ty != first)
        || value == Nil
        || both(value, first, &[first])
        || both(value, first, NUMBERS)
}

fn call(function: Function, parts: &[Node]) -> Result<Type, Why> {
    let (wanted, told): (&[Type], Type) = match function {
        Function::Tier => (&[Text, Float], Float),
        Function::Param => (&[Text], Any),
        Function::Header => (&[Text], Text),
        Function::Has => (&[Any, Text], Bool),
        Function::Hour | Function::Minute | Function::Weekday | Function::Month | Function::Day => {
            (&[Text], Int)
        }
        Function::Max | Function::Min => (&[Float, Float], Float),
        Function::Abs | Function::Ceil | Function::Floor => (&[Float], Float),
    };
    if parts.len() != wanted.len() {
        return Err(Why::Arguments);
    }
    for (part, wanted) in parts.iter().zip(wanted) {
        let fits = match wanted {
            Any => true,
            Float => part.ty == Float || part.ty == Any || (part.ty == Int && is_written(part)),
            _ => part.ty == *wanted || part.ty == Any,
        };
        if !fits {
            return Err(Why::Types);
        }
    }
    Ok(told)
}

/// Whether a whole number is reckoned from written ones alone, which the gateway then takes for any number; what
/// `hour` and its kin give it does not.
fn is_written(part: &Node) -> bool {
    match &part.kind {
        Kind::Int(_) => true,
        Kind::Unary(_, part) => is_written(part),
        Kind::Binary(Binary::Add | Binary::Sub | Binary::Mul, left, right) => {
            is_written(left) && is_written(right)
        }
        _ => false,
    }
}
