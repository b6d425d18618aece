//! A source as a person writes it: a place, and what is said about it after commas.
//!
//! `https://prices.example,name=Acme,recharge=0.5,token-env=ACME_TOKEN`. A comma that belongs to a value is doubled.

use std::fmt;
use std::str::FromStr;

use crate::prices::source::{BadSource, Endpoint, Place, Target};

/// A source as it is written. Secrets are never in it: it names the environment variables that hold them.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSpec {
    /// Where the prices come from.
    pub place: Place,
    /// What to call it instead of its own name.
    pub name: Option<String>,
    /// The page to ask for, where it is not the place's usual one.
    pub endpoint: Option<Endpoint>,
    /// What its prices are multiplied with: the markup. Above 0.
    pub multiplier: Option<f64>,
    /// Its recharge rate: what one of its dollars costs. Above 0.
    pub recharge: Option<f64>,
    /// The group of the source whose ratio counts.
    pub group: Option<String>,
    /// The environment variable with an access token of that site.
    pub token_env: Option<String>,
    /// The user id that the token belongs to.
    pub user_id: Option<String>,
    /// Further headers, whose values are in the environment.
    pub headers: Vec<Header>,
    /// The HTTP proxy through which it is asked. The proxy's own address is judged like any other. It is the proxy that
    /// resolves the source's name then, so that of the source only addresses and names of the inside are refused.
    pub proxy: Option<String>,
}

/// What to change of the options of a source, each as a text. What is `None` stays; a blank text takes the option away.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpecEdit<'t> {
    /// The page to ask for.
    pub endpoint: Option<&'t str>,
    /// What its prices are multiplied with.
    pub multiplier: Option<&'t str>,
    /// What one of its dollars costs.
    pub recharge: Option<&'t str>,
    /// The group of the source whose ratio counts.
    pub group: Option<&'t str>,
}

/// A header whose value stays out of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The header's name, in lower case.
    pub name: String,
    /// The environment variable that holds its value.
    pub env: String,
}

/// Headers that the client sets itself, or that would change what a request is.
const OUR_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "if-none-match",
    "keep-alive",
    "proxy-authorization",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl SourceSpec {
    /// A source without options.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            name: None,
            endpoint: None,
            multiplier: None,
            recharge: None,
            group: None,
            token_env: None,
            user_id: None,
            headers: Vec::new(),
            proxy: None,
        }
    }

    /// What it is remembered as: its name, or where it has none, its place.
    pub fn known_as(&self) -> String {
        match (&self.name, &self.place) {
            (Some(name), _) | (None, Place::Upload(name)) => name.clone(),
            (None, place) => place.to_string(),
        }
    }

    /// What is fetched for it. `channel` answers a channel of the gateway; `None` comes back where it knows none.
    pub fn target(&self, channel: impl FnOnce(i64) -> Option<Target>) -> Option<Target> {
        let plain = |name: String, base_url: String, endpoint| Target {
            id: 0,
            name,
            base_url,
            endpoint,
        };
        let mut target = match &self.place {
            Place::Official => Target::preset(-100)?,
            Place::ModelsDev => Target::preset(-101)?,
            Place::LiteLlm => Target::litellm(),
            Place::Channel(id) => channel(*id)?,
            Place::Address(url) => {
                let name = url.as_str().split_once("://").map_or("", |(_, rest)| rest);
                plain(name.to_owned(), url.as_str().to_owned(), Endpoint::Default)
            }
            // Its list is there already; nothing is fetched for it.
            Place::Upload(_) => return None,
            Place::File(path) => {
                let name = path.rsplit('/').next().unwrap_or(path);
                plain(name.to_owned(), String::new(), Endpoint::File(path.clone()))
            }
        };
        if let Some(endpoint) = &self.endpoint {
            target.endpoint = endpoint.clone();
        }
        if let Some(name) = &self.name {
            target.name.clone_from(name);
        }
        Some(target)
    }

    /// Whether stored secrets go with it: a token, and headers by their names. Gives the names in lower case.
    ///
    /// # Errors
    ///
    /// What does not go with the source, or is no header that it may be sent, and what to do.
    pub fn admits(&self, token: bool, headers: &[&str]) -> Result<Vec<String>, BadSource> {
        let no = |option, why| {
            Err(BadSource::DoesNotFit {
                place: self.place.to_string(),
                option,
                why,
            })
        };
        let option = if token { "token" } else { "header" };
        if (token || !headers.is_empty()) && !matches!(self.place, Place::Address(_)) {
            return no(option, NO_CREDENTIAL);
        }
        if (token || !headers.is_empty()) && self.leads_elsewhere() {
            return no(
                option,
                "would be sent to the endpoint's host, which is another one; write the endpoint as a path",
            );
        }
        if token && self.token_env.is_some() {
            return no(
                "token",
                "is stored, and token-env= names another one; keep one",
            );
        }
        let mut names: Vec<String> = Vec::new();
        for text in headers {
            let name = match header_name(text) {
                Ok(name) => name,
                Err(why) => return no("header", why.unwrap_or("has a name that is none")),
            };
            let written = self.headers.iter().any(|header| header.name == name);
            if written || names.contains(&name) {
                return no("header", "is there twice; keep one");
            }
            names.push(name);
        }
        let sets = |name: &str| names.iter().any(|known| known == name);
        if (token || self.token_env.is_some()) && (sets("authorization") || sets("new-api-user")) {
            return no(
                "header",
                "sets what the token and the user id set; keep one of them",
            );
        }
        Ok(names)
    }

    /// Whether its endpoint is an address of another site than its own.
    pub fn leads_elsewhere(&self) -> bool {
        let (Place::Address(own), Some(Endpoint::Absolute(endpoint))) =
            (&self.place, &self.endpoint)
        else {
            return false;
        };
        let origin = |text: &str| url::Url::parse(text).ok().map(|url| url.origin());
        origin(own.as_str()) != origin(endpoint)
    }

    /// The source with some of its options changed.
    ///
    /// # Errors
    ///
    /// Everything that cannot be taken, each with the option that it is in.
    pub fn edited(&self, edit: &SpecEdit<'_>) -> Result<Self, Vec<(&'static str, BadSource)>> {
        let SpecEdit {
            endpoint,
            multiplier,
            recharge,
            group,
        } = *edit;
        let mut spec = self.clone();
        let mut bad = Vec::new();
        for (option, text) in [
            ("endpoint", endpoint),
            ("multiplier", multiplier),
            ("recharge", recharge),
            ("group", group),
        ] {
            let Some(text) = text.map(str::trim) else {
                continue;
            };
            match option {
                "endpoint" => spec.endpoint = None,
                "multiplier" => spec.multiplier = None,
                "recharge" => spec.recharge = None,
                _ => spec.group = None,
            }
            if !text.is_empty()
                && let Err(wrong) = spec.add(&format!("{option}={text}"))
            {
                bad.push((option, wrong));
            }
        }
        // Of these options only an endpoint does not go with every place.
        if bad.is_empty()
            && let Err(wrong) = spec.fits()
        {
            bad.push(("endpoint", wrong));
        }
        if bad.is_empty() { Ok(spec) } else { Err(bad) }
    }

    /// Which options of a [`SpecEdit`] are others than those of `other`, by their names.
    pub fn differs_in(&self, other: &Self) -> Vec<&'static str> {
        let options = [
            ("endpoint", self.endpoint != other.endpoint),
            ("multiplier", self.multiplier != other.multiplier),
            ("recharge", self.recharge != other.recharge),
            ("group", self.group != other.group),
        ];
        let differ = options.into_iter().filter(|(_, differs)| *differs);
        differ.map(|(option, _)| option).collect()
    }

    /// Reads `KEY=VALUE` and adds it.
    fn add(&mut self, item: &str) -> Result<(), BadSource> {
        let place = self.place.to_string();
        // The value of what is no option may be a secret, and is not repeated.
        let unknown = || BadSource::Option {
            place: place.clone(),
            item: item.split_once('=').map_or(item, |(key, _)| key).to_owned(),
        };
        let (key, value) = item.split_once('=').ok_or_else(unknown)?;
        let option = *OPTIONS.iter().find(|o| **o == key).ok_or_else(unknown)?;
        let value = value.trim();
        // What may be a secret in the wrong place is not repeated.
        let secret = matches!(option, "token-env" | "header") || value.contains('@');
        let bad = |must| BadSource::Value {
            place: place.clone(),
            option,
            value: if secret { "(not shown)" } else { value }.to_owned(),
            must,
        };
        if value.is_empty() {
            return Err(bad("it is blank; leave it out instead"));
        }
        let text = Some(value.to_owned());
        let twice = match option {
            "name" => self.name.replace(value.to_owned()).is_some(),
            "endpoint" => {
                check_endpoint(value).map_err(bad)?;
                self.endpoint.replace(Endpoint::parse(value)).is_some()
            }
            "multiplier" => self
                .multiplier
                .replace(factor(value).map_err(bad)?)
                .is_some(),
            "recharge" => self.recharge.replace(factor(value).map_err(bad)?).is_some(),
            "group" => std::mem::replace(&mut self.group, text).is_some(),
            "token-env" => {
                let variable = variable(value).map_err(bad)?;
                self.token_env.replace(variable).is_some()
            }
            "user-id" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.user_id.replace(value.to_owned()).is_some()
            }
            "user-id" => return Err(bad("it must be the number of the user")),
            "header" => {
                let header = header(value).map_err(bad)?;
                let twice = self.headers.iter().any(|other| other.name == header.name);
                self.headers.push(header);
                twice
            }
            _ => {
                let proxy = proxy(value).map_err(bad)?;
                self.proxy.replace(proxy).is_some()
            }
        };
        if twice {
            return Err(BadSource::Twice { place, option });
        }
        Ok(())
    }

    /// Whether the options go together.
    fn fits(&self) -> Result<(), BadSource> {
        let no = |option, why| {
            Err(BadSource::DoesNotFit {
                place: self.place.to_string(),
                option,
                why,
            })
        };
        let file = matches!(self.place, Place::File(_));
        if file && self.endpoint.is_some() {
            return no("endpoint", "does not go with a file; give the file's path");
        }
        if file && self.proxy.is_some() {
            return no("proxy", "does not go with a file; leave it out");
        }
        let given = [
            ("name", self.name.is_some()),
            ("endpoint", self.endpoint.is_some()),
            ("proxy", self.proxy.is_some()),
        ];
        let given = given.into_iter().find(|(_, given)| *given);
        if let (Some((option, _)), Place::Upload(_)) = (given, &self.place) {
            return no(option, "does not go with an uploaded list; leave it out");
        }
        let credential = [
            ("token-env", self.token_env.is_some()),
            ("user-id", self.user_id.is_some()),
            ("header", !self.headers.is_empty()),
        ];
        let given = credential.into_iter().find(|(_, given)| *given);
        if let Some((option, _)) = given
            && !matches!(self.place, Place::Address(_))
        {
            return no(option, NO_CREDENTIAL);
        }
        if self.user_id.is_some() && self.token_env.is_none() {
            return no("user-id", "needs token-env= beside it");
        }
        let sets = |name: &str| self.headers.iter().any(|header| header.name == name);
        if self.token_env.is_some() && (sets("authorization") || sets("new-api-user")) {
            let why = "sets what token-env= and user-id= set; keep one of them";
            return no("header", why);
        }
        Ok(())
    }
}

/// Why a place is sent no credential.
const NO_CREDENTIAL: &str = "goes with an address of your own only, since no other source is sent a credential; write the \
                             site as http(s)://HOST";

const OPTIONS: &[&str] = &[
    "name",
    "endpoint",
    "multiplier",
    "recharge",
    "group",
    "token-env",
    "user-id",
    "header",
    "proxy",
];

fn factor(text: &str) -> Result<f64, &'static str> {
    text.parse()
        .ok()
        .filter(|factor: &f64| factor.is_finite() && *factor > 0.0)
        .ok_or("it must be a number above 0, such as 1.2")
}

fn variable(text: &str) -> Result<String, &'static str> {
    // Tokens have letters of both cases: one that stands here by mistake is no name, and is neither shown nor kept.
    let letters = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let starts = text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
    if starts && text.chars().all(letters) {
        Ok(text.to_owned())
    } else {
        Err("it must be the name of an environment variable in capitals, not the secret itself")
    }
}

fn header(text: &str) -> Result<Header, &'static str> {
    let must = "it must be a header's name and the environment variable with its value, as in X-Api-Key:ACME_KEY";
    let (name, env) = text.split_once(':').ok_or(must)?;
    let name = header_name(name).map_err(|bad| bad.unwrap_or(must))?;
    let env = variable(env.trim())?;
    Ok(Header { name, env })
}

/// The name of a header that a source may be sent, in lower case. What is wrong with it, where it is a name.
fn header_name(text: &str) -> Result<String, Option<&'static str>> {
    let name = text.trim().to_ascii_lowercase();
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Err(None);
    }
    if OUR_HEADERS.contains(&name.as_str()) {
        return Err(Some("that header is set by the client; leave it out"));
    }
    Ok(name)
}

fn check_endpoint(text: &str) -> Result<(), &'static str> {
    if text.contains("://") {
        let url = url::Url::parse(text).map_err(|_| "it does not read as an address")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("an address must begin with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address must not contain a user or a password");
        }
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return Err("a path must not have spaces or `#`");
    }
    Ok(())
}

fn proxy(text: &str) -> Result<String, &'static str> {
    let must = "it must be a proxy's address, as in http://proxy.example:3128, without a path, user or password";
    let url = url::Url::parse(text).map_err(|_| must)?;
    let plain = url.username().is_empty() && url.password().is_none();
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && url.host().is_some() && plain && bare {
        Ok(url.as_str().trim_end_matches('/').to_owned())
    } else {
        Err(must)
    }
}

impl FromStr for SourceSpec {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        let mut items = items(text).into_iter();
        let place = items.next().unwrap_or_default();
        let mut spec = Self::new(place.trim().parse()?);
        for item in items {
            spec.add(&item)?;
        }
        spec.fits()?;
        Ok(spec)
    }
}

/// The parts between single commas; two commas stand for one that belongs to its part.
fn items(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == ',' && letters.next_if_eq(&',').is_none() {
            items.push(String::new());
        } else if let Some(last) = items.last_mut() {
            last.push(letter);
        }
    }
    items
}

impl fmt::Display for SourceSpec {
    /// The text that reads back as the same source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Everything is named, so that a new option is not forgotten here.
        let Self {
            place,
            name,
            endpoint,
            multiplier,
            recharge,
            group,
            token_env,
            user_id,
            headers,
            proxy,
        } = self;
        let endpoint = endpoint.as_ref().and_then(Endpoint::text);
        f.write_str(&doubled(&place.to_string()))?;
        let options = [
            ("name", name.clone()),
            ("endpoint", endpoint.map(str::to_owned)),
            ("multiplier", multiplier.map(|factor| factor.to_string())),
            ("recharge", recharge.map(|factor| factor.to_string())),
            ("group", group.clone()),
            ("token-env", token_env.clone()),
            ("user-id", user_id.clone()),
            ("proxy", proxy.clone()),
        ];
        for (key, value) in options {
            if let Some(value) = value {
                write!(f, ",{key}={}", doubled(&value))?;
            }
        }
        for Header { name, env } in headers {
            write!(f, ",header={name}:{env}")?;
        }
        Ok(())
    }
}

fn doubled(text: &str) -> String {
    text.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prices::source::Addresses;

    #[test]
    fn options_are_changed_taken_away_or_refused_by_their_names() {
        let spec = read("channel:3,name=Acme,endpoint=/api/pricing,multiplier=2,group=vip");
        let edit = SpecEdit {
            endpoint: Some("openrouter"),
            multiplier: Some(" "),
            group: Some("a, b"),
            ..SpecEdit::default()
        };
        let edited = spec.edited(&edit).expect("taken");
        assert_eq!(
            edited.to_string(),
            "channel:3,name=Acme,endpoint=openrouter,group=a,, b"
        );
        assert_eq!(
            edited.differs_in(&spec),
            ["endpoint", "multiplier", "group"]
        );
        let same = spec.edited(&SpecEdit::default()).expect("taken");
        assert!(same.differs_in(&spec).is_empty());
        let edit = SpecEdit {
            endpoint: Some("/a b"),
            multiplier: Some("-1"),
            recharge: Some("0.5"),
            ..SpecEdit::default()
        };
        let bad = spec.edited(&edit).expect_err("refused");
        let options: Vec<&str> = bad.iter().map(|(option, _)| *option).collect();
        assert_eq!(options, ["endpoint", "multiplier"]);
        let edit = SpecEdit {
            endpoint: Some("/list"),
            ..SpecEdit::default()
        };
        let bad = read("file:list.json").edited(&edit).expect_err("refused");
        assert_eq!(bad[0].0, "endpoint");
    }

    fn read(text: &str) -> SourceSpec {
        text.parse()
            .unwrap_or_else(|bad: BadSource| panic!("{text}: {bad}"))
    }

    fn refused(text: &str) -> String {
        match text.parse::<SourceSpec>() {
            Ok(spec) => panic!("{text} was read as {spec:?}"),
            Err(bad) => bad.to_string(),
        }
    }

    #[test]
    fn every_place_is_read_and_written_back() {
        for text in [
            "official",
            "models.dev,name=third",
            "litellm,multiplier=1.2",
            "channel:12,endpoint=/api/pricing,group=vip",
            "https://prices.example",
            "http://h:3000/base,name=A,endpoint=/x?y=1,multiplier=1.5,recharge=0.14,group=g,token-env=A_TOKEN,user-id=7,proxy=http://p:3128,header=x-a:A_B,header=x-c:C",
            "https://h,endpoint=openrouter",
            "https://h,endpoint=https://x.example/list.json",
            "file:/tmp/prices.json",
            "file:a,,b.json,name=c,,d",
            "upload:our prices,,2026,multiplier=1.2,group=vip",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(
            read("HTTPS://H.example:443/").to_string(),
            "https://h.example"
        );
        assert_eq!(
            read("https://h,endpoint=x").endpoint,
            read("https://h,endpoint=/x").endpoint
        );
        assert_eq!(read("file:a,,b").place, Place::File("a,b".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_and_what_to_do() {
        for (text, place, advice) in [
            ("", "``", "write official"),
            ("oficial", "`oficial`", "write official"),
            ("ftp://h", "`ftp://h`", "http(s)://HOST"),
            ("channel:x", "`channel:x`", "channel:12"),
            ("channel:-100", "`channel:-100`", "channel:12"),
            ("file:", "`file:`", "file:prices.json"),
            ("https://h/?a", "https://h/?a", "base address"),
            (
                "https://h/p.json",
                "https://h/p.json",
                "https://h,endpoint=/p.json",
            ),
            ("official,", "official", "name="),
            ("official,recharg=1", "`recharg`", "recharge="),
            ("official,name=", "official", "leave it out"),
            ("official,name=a,name=b", "official", "keep one"),
            (
                "https://h,header=X-A:B,header=x-a:C",
                "https://h",
                "keep one",
            ),
            ("official,multiplier=0", "multiplier=0", "above 0"),
            ("official,multiplier=NaN", "multiplier=NaN", "above 0"),
            ("official,recharge=1e999", "recharge=1e999", "above 0"),
            ("official,token-env=T", "official", "http(s)://HOST"),
            ("channel:1,header=a:B", "channel:1", "http(s)://HOST"),
            (
                "https://h,token-env=sk-1234",
                "token-env=",
                "environment variable",
            ),
            ("https://h,user-id=7", "https://h", "token-env="),
            ("https://h,token-env=T,user-id=x", "user-id=x", "number"),
            (
                "https://h,token-env=T,header=Authorization:B",
                "https://h",
                "keep one",
            ),
            ("https://h,header=Host:B", "header=", "leave it out"),
            ("https://h,header=a b:C", "header=", "X-Api-Key:ACME_KEY"),
            ("https://h,endpoint=ftp://x", "endpoint=ftp://x", "http://"),
            (
                "https://h,proxy=socks5://p",
                "proxy=socks5://p",
                "http://proxy",
            ),
            (
                "https://h,proxy=http://u:p@p",
                "https://h",
                "without a path, user",
            ),
            ("file:a,endpoint=/x", "file:a", "path"),
            ("file:a,proxy=http://p", "file:a", "leave it out"),
            ("upload: ", "`upload:`", "upload:prices"),
            ("upload:a,endpoint=/x", "upload:a", "leave it out"),
            ("upload:a,token-env=T", "upload:a", "http(s)://HOST"),
        ] {
            let told = refused(text);
            assert!(told.contains(place), "{text}: {told}");
            assert!(told.contains(advice), "{text}: {told}");
        }
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        for text in [
            "https://u:CANARY@h",
            "https://u:CANARY@h:x",
            "https://CANARY@h/p.json",
            "https://h,token-env=sk-CANARY",
            "https://h,token-env=xCANARY0",
            "https://h,token=CANARY",
            "https://h,header=authorization:Bearer CANARY",
            "https://h,proxy=http://u:CANARY@p",
            "https://h,endpoint=https://u:CANARY@p/x",
        ] {
            let told = refused(text);
            assert!(!told.contains("CANARY"), "{told}");
        }
    }

    #[test]
    fn stored_secrets_go_with_an_address_alone_and_with_no_other_of_their_kind() {
        let admitted = |text: &str, token: bool, headers: &[&str]| {
            let told = read(text).admits(token, headers);
            told.map_err(|bad| bad.to_string())
        };
        assert_eq!(admitted("official", false, &[]), Ok(Vec::new()));
        let own = admitted("https://h,endpoint=https://h:443/prices", true, &[]);
        assert_eq!(own, Ok(Vec::new()), "the same site");
        let names = admitted("https://h", true, &["X-A", " x-b "]);
        assert_eq!(names, Ok(vec!["x-a".to_owned(), "x-b".to_owned()]));
        for (text, token, headers, advice) in [
            ("official", true, &[][..], "http(s)://HOST"),
            ("upload:a", false, &["x-a"], "http(s)://HOST"),
            ("https://h,token-env=T", true, &[], "keep one"),
            ("https://h,header=x-a:T", false, &["X-A"], "keep one"),
            ("https://h", false, &["x-a", "X-a"], "keep one"),
            ("https://h", true, &["Authorization"], "keep one"),
            ("https://h", false, &["Host"], "leave it out"),
            (
                "https://h,endpoint=https://i/prices",
                true,
                &[],
                "as a path",
            ),
            (
                "https://h,endpoint=http://h/prices",
                false,
                &["x-a"],
                "as a path",
            ),
            ("https://h", false, &["a b"], "none"),
        ] {
            let told = admitted(text, token, headers).expect_err(text);
            assert!(told.contains(advice), "{text}: {told}");
        }
    }

    #[test]
    fn a_source_knows_what_is_fetched_for_it() {
        let target = |text| read(text).target(|_| None);
        let named = |text| target(text).map(|target| target.unique_name());
        assert_eq!(
            named("official").as_deref(),
            Some("Official Ratio Preset(-100)")
        );
        assert_eq!(named("https://h:8/b").as_deref(), Some("h:8/b"));
        assert_eq!(named("file:/a/p.json").as_deref(), Some("p.json"));
        assert_eq!(named("file:/a/p.json,name=P").as_deref(), Some("P"));
        assert_eq!(named("channel:3"), None);
        assert_eq!(named("upload:p"), None, "it is there already");
        let file = target("file:/a/p.json").map(|target| target.addresses());
        assert_eq!(file, Some(Addresses::File("/a/p.json".to_owned())));
        let known = read("channel:3,endpoint=openrouter")
            .target(|id| Target::of_channel(id, "C", "https://c/api", 1))
            .expect("a target");
        assert_eq!(known.unique_name(), "C(3)");
        let url = Addresses::One("https://c/api/v1/models".to_owned());
        assert_eq!(known.addresses(), url);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_source(
            path in "[ -~]{0,20}[!-~]",
            name in proptest::option::of("[!-~]([ -~]{0,10}[!-~])?"),
            multiplier in proptest::option::of(1e-300_f64..1e300),
            group in proptest::option::of("[!-~]([ -~]{0,10}[!-~])?"),
        ) {
            let mut spec = SourceSpec::new(Place::File(path));
            spec.name = name;
            spec.multiplier = multiplier;
            spec.group = group;
            prop_assert_eq!(spec.to_string().parse::<SourceSpec>(), Ok(spec));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(official|https://h|file:x|channel:1)?[ -~]{0,40}") {
            if let Ok(spec) = text.parse::<SourceSpec>() {
                prop_assert_eq!(spec.to_string().parse::<SourceSpec>(), Ok(spec));
            }
        }
    }
}
