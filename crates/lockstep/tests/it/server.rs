//! A running `lockstep serve`, and what browsers and programs ask it.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;

use crate::canary;
use crate::tester::Shell;

/// Nothing takes longer; a test that would hang fails instead.
const PATIENCE: Duration = Duration::from_secs(60);

/// The password of the admin in tests.
pub(crate) const PASSWORD: &str = "a password for tests";

/// A server. [`Server::stop`] ends it, and so does dropping it.
pub(crate) struct Server {
    child: Child,
    /// The address that it says it listens on.
    pub(crate) url: String,
    /// All that it said so far, stdout and stderr.
    said: Arc<Mutex<String>>,
    reading: Vec<tokio::task::JoinHandle<()>>,
    /// What every request has beside its own headers.
    headers: HeaderMap,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) asked: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Server {
    /// Starts `lockstep serve` on a free port of this machine, and waits until it listens.
    pub(crate) async fn start(shell: &Shell) -> Self {
        Self::start_with(shell, &[]).await
    }

    /// The same with more arguments.
    pub(crate) async fn start_with(shell: &Shell, args: &[&str]) -> Self {
        Self::start_as("serve", shell, args).await
    }

    /// Starts a verb that serves the pages.
    pub(crate) async fn start_as(verb: &str, shell: &Shell, args: &[&str]) -> Self {
        let mut args = [&[verb], args].concat();
        if !args.contains(&"--listen") {
            args.extend(["--listen", "127.0.0.1:0"]);
        }
        let mut child = shell.command(&args).spawn().expect("it starts");
        let said = Arc::new(Mutex::new(String::new()));
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let reading = vec![
            read(child.stdout.take().expect("piped"), said.clone(), None),
            read(
                child.stderr.take().expect("piped"),
                said.clone(),
                Some(tell),
            ),
        ];
        let listens = async {
            while let Some(line) = told.recv().await {
                let line: String = line;
                if let Some(url) = listens_on(&line) {
                    return Some(url);
                }
            }
            None
        };
        let listens = tokio::time::timeout(PATIENCE, listens).await;
        let Ok(Some(url)) = listens else {
            let said = said.lock().expect("whole");
            panic!("the server does not listen:\n{said}");
        };
        Self {
            child,
            url,
            said,
            reading,
            headers: HeaderMap::new(),
        }
    }

    /// The same server for a person who is signed in: the first time by the link in the terminal, which sets
    /// [`PASSWORD`], then by that. Pages of the server itself ask.
    pub(crate) async fn signed_in(mut self) -> Self {
        self.as_page();
        let answer = match self.link() {
            Some(link) => {
                let link = json!({"link": link, "password": PASSWORD});
                self.post("/api/v1/sign-in/link", &link).await
            }
            None => {
                let password = json!({ "password": PASSWORD });
                self.post("/api/v1/sign-in", &password).await
            }
        };
        let cookie = answer.is(200).cookie();
        self.always("cookie", &cookie);
        self
    }

    /// Signs in once more, by the password.
    pub(crate) async fn signed_in_again(mut self) -> Self {
        let password = json!({ "password": PASSWORD });
        let answer = self.post("/api/v1/sign-in", &password).await;
        self.always("cookie", &answer.is(200).cookie());
        self
    }

    /// Has requests say that a page of the server's asks.
    pub(crate) fn as_page(&mut self) {
        self.always("sec-fetch-site", "same-origin");
    }

    /// Has every request from now on send the header.
    pub(crate) fn always(&mut self, name: &'static str, value: &str) {
        let value = HeaderValue::try_from(value).expect("a value");
        self.headers.insert(HeaderName::from_static(name), value);
    }

    /// Has no request from now on send the header.
    pub(crate) fn never(&mut self, name: &'static str) {
        self.headers.remove(name);
    }

    /// The token of the link in the terminal, if it showed one.
    pub(crate) fn link(&self) -> Option<String> {
        link_in(&self.said())
    }

    /// All that it said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("whole").clone()
    }

    /// Waits until it has said the text.
    pub(crate) async fn until_says(&self, text: &str) {
        let says = async {
            while !self.said().contains(text) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let says = tokio::time::timeout(PATIENCE, says).await;
        assert!(says.is_ok(), "{text} is not in\n{}", self.said());
    }

    /// The process.
    pub(crate) fn pid(&self) -> i32 {
        let pid = self.child.id().expect("it runs");
        i32::try_from(pid).expect("an id")
    }

    /// Whether its process has ended.
    pub(crate) fn is_dead(&mut self) -> bool {
        let ended = self.child.try_wait().expect("it can be asked");
        ended.is_some()
    }

    /// Where it listens: host and port.
    pub(crate) fn host(&self) -> &str {
        self.url
            .split_once("://")
            .map_or(self.url.as_str(), |(_, host)| host)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::PUT, path, &[], Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path, &[], Some(body)).await
    }

    /// Opens a page as a browser does.
    pub(crate) async fn page(&self, path: &str) -> Answer {
        let headers = [("accept", "text/html")];
        self.ask(Method::GET, path, &headers, None).await
    }

    /// Sends a form from a page of the server's, as a browser does.
    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let headers = [
            ("accept", "text/html"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", self.url.as_str()),
            ("sec-fetch-site", "same-origin"),
        ];
        let asked = format!("POST {path}");
        let body = Some(form.finish());
        let answer = self.send(Method::POST, path, &headers, body).await;
        Answer::read(asked, answer).await
    }

    /// Any request. A header of `headers` takes the place of one that every request has; an empty one takes it away.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let asked = format!("{method} {path}");
        let body = body.map(Value::to_string);
        let answer = self.send(method, path, headers, body).await;
        Answer::read(asked, answer).await
    }

    /// Any request, and the answer with a body that is still to be read: for events.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Response<Incoming> {
        let stream = TcpStream::connect(self.host()).await.expect("it listens");
        let request = self.request(method, path, headers, body);
        over(stream, request).await
    }

    /// A request as [`Self::send`] makes it.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Request<Full<Bytes>> {
        let mut all = self.headers.clone();
        let host = HeaderValue::try_from(self.host()).expect("a value");
        all.insert("host", host);
        if body.is_some() {
            all.insert("content-type", HeaderValue::from_static("application/json"));
        }
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).expect("a name");
            if value.is_empty() {
                all.remove(name);
            } else {
                let value = HeaderValue::try_from(*value).expect("a value");
                all.insert(name, value);
            }
        }
        let mut request = Request::builder().method(method).uri(path);
        request.headers_mut().expect("no mistake").extend(all);
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        request.body(body).expect("a request")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid()).expect("an id");
        kill_process(pid, signal).expect("it runs");
    }

    /// Stops it as a service manager does, and returns all that it said.
    pub(crate) async fn stop(self) -> (String, ExitStatus) {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Waits until it has ended, and returns all that it said.
    pub(crate) async fn ended(mut self) -> (String, ExitStatus) {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.expect("it stops").expect("it ended");
        for reading in self.reading.drain(..) {
            reading.await.expect("read to its end");
        }
        let said = self.said();
        if let Some(token) = canary::found(said.as_bytes()) {
            panic!("the server said a token: {token}");
        }
        (said, status)
    }
}

impl Answer {
    /// Reads an answer to its end; no token may be in it.
    pub(crate) async fn read(asked: String, answer: Response<Incoming>) -> Self {
        let (parts, body) = answer.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect()).await;
        let body = body.expect("it ends").expect("a whole body").to_bytes();
        if let Some(token) = canary::found(&body) {
            panic!("the answer to {asked} has a token in it: {token}");
        }
        Self {
            asked,
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// The text in it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts that a page says this.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        let all = self.text();
        assert!(
            all.contains(text),
            "{}: {text:?} is not in\n{all}",
            self.asked
        );
    }

    /// Asserts the status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}: {}",
            self.asked,
            String::from_utf8_lossy(&self.body)
        );
        self
    }

    /// The JSON in it.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "{} is answered by no JSON ({error}): {}",
                self.asked,
                String::from_utf8_lossy(&self.body)
            )
        })
    }

    /// The code of the problem in it.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.asked
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{}", self.asked);
        problem["code"].as_str().expect("a code").to_owned()
    }

    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.map_or("", |value| value.expect("text"))
    }

    /// The cookie that it sets, as browsers send it back.
    #[track_caller]
    pub(crate) fn cookie(&self) -> String {
        let cookie = self.header("set-cookie");
        assert!(!cookie.is_empty(), "{} sets no cookie", self.asked);
        cookie.split(';').next().unwrap_or_default().to_owned()
    }
}

/// The address that a line says is listened on, as a line to read or as an event for programs.
fn listens_on(line: &str) -> Option<String> {
    let event: Option<Value> = serde_json::from_str(line).ok();
    let message = event.as_ref().map(|event| event["message"].as_str());
    let said = message.map_or(Some(line), |message| message)?;
    let url = said.strip_prefix("Lockstep listens on ")?;
    Some(url.to_owned())
}

/// The token of a link in some text.
pub(crate) fn link_in(said: &str) -> Option<String> {
    let (_, link) = said.split_once("/sign-in/link#")?;
    link.split_whitespace().next().map(str::to_owned)
}

/// Sends a request over a connection.
pub(crate) async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> Response<Incoming>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connected = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.expect("HTTP");
    tokio::spawn(connection);
    let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
    answer.expect("it answers").expect("an answer")
}

/// Keeps what is said, and tells each line.
fn read(
    from: impl AsyncRead + Send + Unpin + 'static,
    said: Arc<Mutex<String>>,
    tell: Option<tokio::sync::mpsc::UnboundedSender<String>>,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut said = said.lock().expect("whole");
            said.push_str(&line);
            said.push('\n');
            drop(said);
            if let Some(tell) = &tell {
                let _nobody = tell.send(line);
            }
        }
    })
}
