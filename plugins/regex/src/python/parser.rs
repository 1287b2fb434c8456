//! Statements and expressions.

use std::rc::Rc;

use super::lexer::{Token, tokens};
use super::value::{Exception, Function, Value};

/// Expressions in expressions, so many deep.
const DEEPEST: usize = 40;

pub enum Statement {
    Assign(String, Expression),
    Return(Expression),
    Expression(Expression),
    Define(Rc<Function>),
    /// `import re`: it is there already.
    Import,
}

pub enum Expression {
    Constant(Value),
    Name(String),
    Attribute(Box<Expression>, String),
    Call { function: Box<Expression>, arguments: Vec<Expression>, named: Vec<(String, Expression)> },
    Index(Box<Expression>, Box<Expression>),
    Binary(char, Box<Expression>, Box<Expression>),
    Negative(Box<Expression>),
    List(Vec<Expression>),
    Tuple(Vec<Expression>),
}

/// What is typed at once: a line, or a `def` with its indented lines.
///
/// # Errors
/// Python's SyntaxError.
pub(super) fn entry(source: &str) -> Result<Statement, Exception> {
    if source.trim_start().starts_with("def ") {
        return function(source).map(|function| Statement::Define(Rc::new(function)));
    }
    statement(source)
}

/// A `def` with its indented lines, or a `lambda`.
///
/// # Errors
/// Python's SyntaxError.
pub fn function(source: &str) -> Result<Function, Exception> {
    if source.trim_start().starts_with("lambda") {
        let mut parser = Parser::new(source)?;
        let value = parser.expression()?;
        parser.end()?;
        if let Expression::Constant(Value::Function(function)) = value
            && let Ok(function) = Rc::try_unwrap(function).map_err(drop)
        {
            return Ok(function);
        }
        return Err(invalid());
    }
    let (head, body) = source.trim_start().split_once('\n').unwrap_or((source.trim_start(), ""));
    let mut parser = Parser::new(head)?;
    if !parser.take_name("def") {
        return Err(Exception::new(
            "SyntaxError",
            "give a function: def replace(m): … or lambda m: …",
        ));
    }
    let name = parser.name()?;
    parser.expect('(')?;
    let parameter = parser.name()?;
    parser.expect(')')?;
    parser.expect(':')?;
    let mut statements = Vec::new();
    if parser.peek().is_some() {
        // def replace(m): return "x"
        statements.push(parser.statement()?);
        parser.end()?;
    }
    for line in body.lines() {
        let code = line.trim();
        if code.is_empty() || code.starts_with('#') {
            continue;
        }
        if !line.starts_with([' ', '\t']) {
            let message = "expected an indented block after function definition on line 1";
            return Err(Exception::new("IndentationError", message));
        }
        statements.push(statement(code)?);
    }
    if statements.is_empty() {
        let message = "expected an indented block after function definition on line 1";
        return Err(Exception::new("IndentationError", message));
    }
    Ok(Function { name, parameter, body: statements })
}

fn statement(line: &str) -> Result<Statement, Exception> {
    let mut parser = Parser::new(line)?;
    let statement = parser.statement()?;
    parser.end()?;
    Ok(statement)
}

fn invalid() -> Exception {
    Exception::new("SyntaxError", "invalid syntax")
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
    depth: usize,
}

impl Parser {
    fn new(line: &str) -> Result<Self, Exception> {
        Ok(Self { tokens: tokens(line)?, position: 0, depth: 0 })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.position)
    }

    fn take(&mut self, sign: char) -> bool {
        let is_next = self.peek() == Some(&Token::Sign(sign));
        self.position += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, sign: char) -> Result<(), Exception> {
        if self.take(sign) { Ok(()) } else { Err(invalid()) }
    }

    fn take_name(&mut self, wanted: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token::Name(name)) if name == wanted);
        self.position += usize::from(is_next);
        is_next
    }

    fn name(&mut self) -> Result<String, Exception> {
        let Some(Token::Name(name)) = self.peek().cloned() else { return Err(invalid()) };
        self.position += 1;
        Ok(name)
    }

    fn end(&self) -> Result<(), Exception> {
        if self.peek().is_none() { Ok(()) } else { Err(invalid()) }
    }

    fn statement(&mut self) -> Result<Statement, Exception> {
        if self.take_name("import") {
            let name = self.name()?;
            if name == "re" {
                return Ok(Statement::Import);
            }
            return Err(Exception::limit(format!("only re can be imported here, not {name}")));
        }
        if self.take_name("return") {
            return self.expression().map(Statement::Return);
        }
        if let [Token::Name(name), Token::Sign('='), ..] = &self.tokens[self.position..] {
            let name = name.clone();
            self.position += 2;
            return Ok(Statement::Assign(name, self.expression()?));
        }
        self.expression().map(Statement::Expression)
    }

    fn expression(&mut self) -> Result<Expression, Exception> {
        if self.depth == DEEPEST {
            return Err(Exception::limit(format!("more than {DEEPEST} expressions in each other")));
        }
        self.depth += 1;
        let mut left = self.sum()?;
        while self.take('|') {
            left = Expression::Binary('|', Box::new(left), Box::new(self.sum()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expression, Exception> {
        let mut left = self.product()?;
        loop {
            let sign = if self.take('+') {
                '+'
            } else if self.take('-') {
                '-'
            } else {
                return Ok(left);
            };
            left = Expression::Binary(sign, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expression, Exception> {
        let mut left = self.unary()?;
        while self.take('*') {
            left = Expression::Binary('*', Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, Exception> {
        if self.take('-') {
            return Ok(Expression::Negative(Box::new(self.primary()?)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expression, Exception> {
        let mut value = self.atom()?;
        loop {
            if self.take('.') {
                value = Expression::Attribute(Box::new(value), self.name()?);
            } else if self.take('(') {
                value = self.call(value)?;
            } else if self.take('[') {
                let index = self.expression()?;
                self.expect(']')?;
                value = Expression::Index(Box::new(value), Box::new(index));
            } else {
                return Ok(value);
            }
        }
    }

    fn call(&mut self, function: Expression) -> Result<Expression, Exception> {
        let (mut arguments, mut named) = (Vec::new(), Vec::new());
        while !self.take(')') {
            match &self.tokens[self.position..] {
                [Token::Name(name), Token::Sign('='), ..] => {
                    let name = name.clone();
                    self.position += 2;
                    named.push((name, self.expression()?));
                }
                _ => arguments.push(self.expression()?),
            }
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(Expression::Call { function: Box::new(function), arguments, named })
    }

    fn atom(&mut self) -> Result<Expression, Exception> {
        let token = self.peek().cloned().ok_or_else(invalid)?;
        self.position += 1;
        match token {
            Token::Int(number) => Ok(Expression::Constant(Value::Int(number))),
            Token::Str(mut text) => {
                // "a" "b" is "ab".
                while let Some(Token::Str(next)) = self.peek() {
                    text.push_str(next);
                    self.position += 1;
                }
                Ok(Expression::Constant(Value::str(text)))
            }
            Token::Name(name) if name == "lambda" => self.lambda(),
            Token::Name(name) => Ok(match name.as_str() {
                "None" => Expression::Constant(Value::None),
                "True" => Expression::Constant(Value::Bool(true)),
                "False" => Expression::Constant(Value::Bool(false)),
                _ => Expression::Name(name),
            }),
            Token::Sign('(') => {
                let (mut items, has_comma) = self.items(')')?;
                match items.pop() {
                    Some(only) if items.is_empty() && !has_comma => Ok(only),
                    last => {
                        items.extend(last);
                        Ok(Expression::Tuple(items))
                    }
                }
            }
            Token::Sign('[') => self.items(']').map(|(items, _)| Expression::List(items)),
            Token::Sign(_) => Err(invalid()),
        }
    }

    /// Up to the sign that closes them; was there a comma?
    fn items(&mut self, close: char) -> Result<(Vec<Expression>, bool), Exception> {
        let mut items = Vec::new();
        let mut has_comma = false;
        while !self.take(close) {
            items.push(self.expression()?);
            if !self.take(',') {
                self.expect(close)?;
                break;
            }
            has_comma = true;
        }
        Ok((items, has_comma))
    }

    fn lambda(&mut self) -> Result<Expression, Exception> {
        let parameter = self.name()?;
        self.expect(':')?;
        let body = vec![Statement::Return(self.expression()?)];
        let function = Function { name: "<lambda>".to_owned(), parameter, body };
        Ok(Expression::Constant(Value::Function(Rc::new(function))))
    }
}
