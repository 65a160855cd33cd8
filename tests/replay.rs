//! Databases as each framework leaves them, replayed from what is known of their layouts, with sixty tenants and more,
//! opened with nothing but the URL: which it is and by what, every tenant and its state, and what belongs to one.

mod apartment;
mod around;
mod boundary;
mod brokkr;
mod cloacina;
mod coded;
mod copy_in;
mod doubts;
mod ecto;
mod operations;

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{home, json, tenantui, text};
use crate::support::TestDatabase;

/// Runs a command on the database of a URL, and gives the JSON that it prints.
fn look(database: &TestDatabase, arguments: &[&str]) -> Value {
    let home = home();
    let output = tenantui(home.path()).args(["--url", &database.url()]).args(arguments).output().expect("runs");
    let words = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {words}");
    json(&output)
}

/// A home with a configuration of one database, and more lines for it.
fn configured(database: &TestDatabase, more: &str) -> TempDir {
    let home = home();
    let config = format!("[[database]]\nname = \"one\"\nurl = \"{}\"\n{more}", database.url());
    fs::create_dir_all(home.path().join(".config/tenantui")).expect("a folder");
    fs::write(home.path().join(".config/tenantui/config.toml"), config).expect("a configuration");
    home
}

/// As [`look`], with the configuration of this home.
fn look_at(home: &TempDir, arguments: &[&str]) -> Value {
    let output = tenantui(home.path()).args(arguments).output().expect("runs");
    let words = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {words}");
    json(&output)
}

/// The tenants that are not `ok`, as `slug:state`.
fn unwell(document: &Value) -> Vec<String> {
    let word = |tenant: &Value, field: &str| tenant[field].as_str().unwrap_or("null").to_owned();
    let tenants = document["tenants"].as_array().expect("a list");
    let unwell = tenants.iter().filter(|tenant| tenant["state"] != "ok");
    unwell.map(|tenant| format!("{}:{}", word(tenant, "slug"), word(tenant, "state"))).collect()
}

fn count(document: &Value) -> usize {
    document["tenants"].as_array().expect("a list").len()
}

/// What `doctor` says of the layout: the result and the words of each line.
fn evidence(database: &TestDatabase) -> Vec<(String, String)> {
    layout_lines(&look(database, &["doctor", "--json"]))
}

fn layout_lines(doctor: &Value) -> Vec<(String, String)> {
    let checks = doctor["checks"].as_array().expect("checks").iter();
    let layout = checks.filter(|check| check["area"] == "layout");
    let word = |check: &Value, field: &str| check[field].as_str().expect("a word").to_owned();
    layout.map(|check| (word(check, "result"), word(check, "found"))).collect()
}

fn says(lines: &[(String, String)], result: &str, words: &str) {
    assert!(lines.iter().any(|(is, found)| is == result && found.contains(words)), "{result} {words} in {lines:#?}");
}

/// A fact of a tenant's health: value, detail, problem.
fn health<'a>(tenant: &'a Value, name: &str) -> (&'a Value, Option<&'a str>, Option<&'a str>) {
    let facts = tenant["health"].as_array().expect("a list");
    let fact = facts.iter().find(|fact| fact["name"] == name).unwrap_or_else(|| panic!("no {name} in {tenant:#}"));
    (&fact["value"], fact["detail"].as_str(), fact["problem"].as_str())
}

/// Names of members with their active flag and status.
fn members(tenant: &Value) -> Vec<(&str, Option<bool>, Option<&str>)> {
    let members = tenant["members"].as_array().expect("a list").iter();
    members
        .map(|member| (member["name"].as_str().expect("a name"), member["active"].as_bool(), member["status"].as_str()))
        .collect()
}

fn problems(tenant: &Value) -> String {
    tenant["problems"].to_string()
}
