//! What this computer has changed.

use serde_json::Value;

use super::Home;

#[test]
fn all_that_changed_something_is_on_record() {
    let home = Home::new();
    let none = home.run("--sandbox history").well();
    assert!(none.out.is_empty() && none.err.contains("has changed nothing yet"), "{}", none.all());
    home.run("--sandbox plan").well();
    assert!(home.run("--sandbox history").well().out.is_empty(), "a look changes nothing");

    home.run("--sandbox up --yes").well();
    let said = home.run("--sandbox history").well().out;
    let line = |what: &str| {
        said.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {said}"))
    };
    assert!(line("Private network (VPC)").contains("ada/remote-dev/us-west-2  up: "), "{said}");
    assert!(line("Instance m8g.xlarge").contains("as 123456789012/user/sandbox"), "{said}");

    // What was refused, too.
    let told = home.run("--sandbox sessions kill nothing --yes");
    assert_eq!(told.code, Some(1), "{}", told.err);
    let said = home.run("--sandbox history").well().out;
    let last = said.lines().last().unwrap();
    assert!(last.contains("sessions kill: End the session nothing") && last.contains("NOT DONE"), "{last}");
    assert!(last.contains("as 123456789012/user/sandbox"), "{last}");

    home.run("--sandbox destroy --yes").well();
    let json = home.run("--sandbox history --json").well().json();
    assert_eq!(json["version"], 1);
    let deeds: Vec<&Value> = json["deeds"].as_array().unwrap().iter().collect();
    let of = |operation: &str| deeds.iter().filter(|deed| deed["operation"] == operation).count();
    assert!(of("up") > 15 && of("destroy") > 10, "{deeds:?}");
    assert!(
        deeds.iter().filter(|deed| deed["operation"] == "up").all(|deed| deed["result"] == "done"),
        "{deeds:?}"
    );
    assert!(deeds.is_sorted_by_key(|deed| deed["at"].as_u64()));
}

#[test]
fn the_log_says_what_went_on_and_nothing_that_was_said() {
    let home = Home::new();
    let told = home.run("--sandbox exec -- echo m4rked-secret");
    assert_ne!(told.code, Some(0));
    let log = home.run("--sandbox logs").well().out;
    assert!(log.contains("begins command=exec"), "{log}");
    assert!(log.contains("ends with a problem code=no_machine"), "{log}");
    assert!(!log.contains("m4rked-secret"), "{log}");
    let lines = home.run("--sandbox logs --json").well().out;
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
}
