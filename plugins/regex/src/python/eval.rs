//! Runs what was read.

use std::collections::HashMap;
use std::rc::Rc;

use super::parser::{self, Expression, Statement};
use super::value::{Exception, Function, Value};
use super::{builtin, call, method};

/// Steps of one entry: functions can call each other, and themselves.
const STEPS: usize = 100_000;
/// Functions in functions, so many deep.
const DEEPEST: usize = 30;

/// A Python prompt: what was assigned and defined, and what the entry prints.
#[derive(Default)]
pub struct Session {
    variables: HashMap<String, Value>,
    locals: Vec<HashMap<String, Value>>,
    steps: usize,
    pub(super) printed: String,
}

impl Session {
    /// Runs one entry, and gives what a prompt shows: what is printed, the value, or the exception.
    pub fn run(&mut self, source: &str) -> String {
        self.steps = 0;
        self.locals.clear();
        self.printed.clear();
        let result = parser::entry(source).and_then(|statement| self.statement(&statement));
        let mut shown = std::mem::take(&mut self.printed);
        match result {
            Ok(Some(Value::None) | None) => {}
            Ok(Some(value)) => shown += &(value.repr() + "\n"),
            Err(exception) => shown += &(exception.to_string() + "\n"),
        }
        shown
    }

    /// The value of an expression that stands alone, or of a `return`.
    fn statement(&mut self, statement: &Statement) -> Result<Option<Value>, Exception> {
        match statement {
            Statement::Import => Ok(None),
            Statement::Define(function) => {
                self.variables.insert(function.name.clone(), Value::Function(function.clone()));
                Ok(None)
            }
            Statement::Assign(name, expression) => {
                let value = self.value(expression)?;
                let scope = self.locals.last_mut().unwrap_or(&mut self.variables);
                scope.insert(name.clone(), value);
                Ok(None)
            }
            Statement::Return(_) if self.locals.is_empty() => {
                Err(Exception::new("SyntaxError", "'return' outside function"))
            }
            Statement::Return(expression) | Statement::Expression(expression) => {
                self.value(expression).map(Some)
            }
        }
    }

    pub(super) fn value(&mut self, expression: &Expression) -> Result<Value, Exception> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err(Exception::limit(format!("more than {STEPS} steps")));
        }
        match expression {
            Expression::Constant(value) => Ok(value.clone()),
            Expression::Name(name) => self.variable(name),
            Expression::Attribute(object, name) => {
                let object = self.value(object)?;
                method::attribute(object, name)
            }
            Expression::Call { function, arguments, named } => {
                let function = self.value(function)?;
                let arguments = self.values(arguments)?;
                let named = named.iter().map(|(name, expression)| {
                    self.value(expression).map(|value| (name.clone(), value))
                });
                let named = named.collect::<Result<Vec<_>, _>>()?;
                self.call(&function, call::Arguments::new(arguments, named))
            }
            Expression::Index(object, index) => {
                let (object, index) = (self.value(object)?, self.value(index)?);
                method::index(&object, &index)
            }
            Expression::Binary(sign, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                builtin::binary(*sign, &left, &right)
            }
            Expression::Negative(value) => {
                builtin::binary('-', &Value::Int(0), &self.value(value)?)
            }
            Expression::List(items) => self.values(items).map(Value::list),
            Expression::Tuple(items) => self.values(items).map(Value::tuple),
        }
    }

    fn values(&mut self, expressions: &[Expression]) -> Result<Vec<Value>, Exception> {
        expressions.iter().map(|expression| self.value(expression)).collect()
    }

    fn variable(&self, name: &str) -> Result<Value, Exception> {
        let local = self.locals.last().and_then(|scope| scope.get(name));
        let known = local.or_else(|| self.variables.get(name)).cloned();
        known
            .or_else(|| builtin::named(name).map(Value::Builtin))
            .ok_or_else(|| Exception::new("NameError", format!("name '{name}' is not defined")))
    }

    pub(super) fn call(
        &mut self,
        function: &Value,
        arguments: call::Arguments,
    ) -> Result<Value, Exception> {
        match function {
            Value::Function(function) => {
                let argument = arguments.only(&function.name)?;
                self.apply(&function.clone(), argument)
            }
            Value::Builtin(name) => match name.strip_prefix("re.") {
                Some(name) => call::module(self, name, arguments),
                None => builtin::call(self, name, arguments),
            },
            Value::Method(object, name) => method::call(self, object, name, arguments),
            other => {
                let message = format!("'{}' object is not callable", other.type_name());
                Err(Exception::new("TypeError", message))
            }
        }
    }

    /// Calls a function that was defined here.
    ///
    /// # Errors
    /// What it raises.
    pub fn apply(&mut self, function: &Rc<Function>, argument: Value) -> Result<Value, Exception> {
        if self.locals.len() == DEEPEST {
            return Err(Exception::new("RecursionError", "maximum recursion depth exceeded"));
        }
        self.locals.push(HashMap::from([(function.parameter.clone(), argument)]));
        let mut result = Ok(Value::None);
        for statement in &function.body {
            let value = self.statement(statement);
            match (statement, value) {
                (Statement::Return(_), Ok(value)) => {
                    result = Ok(value.unwrap_or(Value::None));
                    break;
                }
                (_, Err(exception)) => {
                    result = Err(exception);
                    break;
                }
                _ => {}
            }
        }
        self.locals.pop();
        result
    }
}
