//! What a machine costs.

use insta::assert_snapshot;

use super::Home;

#[test]
fn a_machine_says_what_it_costs_and_what_each_figure_is() {
    let home = Home::new();
    let cost = || home.run("--sandbox cost --json").well().json();
    let total = |cost: &serde_json::Value, sum: &str| cost[sum]["total"].clone();
    let exactly = |micros: u64| serde_json::json!({ "least": micros, "most": micros });

    let nothing = cost();
    assert_eq!((&nothing["version"], &nothing["state"]), (&1.into(), &"absent".into()));
    assert_eq!(total(&nothing, "always"), exactly(142_699_600));
    assert_eq!(total(&nothing, "so_far"), exactly(0));
    let prices = nothing["prices"].as_str().unwrap();
    assert!(prices.contains("asked"), "the price list was asked: {prices}");

    home.run("--sandbox up --yes").well();
    let said = home.run("--sandbox cost").well().out;
    let shape: Vec<&str> = said.lines().filter(|line| !line.contains("so far")).collect();
    let shape = shape.join("\n").replace(char::is_numeric, "0");
    assert_snapshot!(shape, @"
    remote-dev in us-west-0, a month if it is on all the time: $000.00
      instance      m0g.xlarge   $000.00  000 h at $0.00000
      volume        000 GiB gp0    $0.00  000 GiB at $0.0000
      address       public IPv0    $0.00  000 h at $0.00000

    A month while it is off: $0.00

      instance      m0g.xlarge   $0.00  on for 0.0 h
      volume        000 GiB gp0  $0.00  by the second of a month of 00 days
      address       public IPv0  $0.00  in use for 0.0 h

    Every figure: list prices of AWS, asked 0000-00-00; what was not asked for, 0000-00-00; on demand, in US dollars, without tax, credits, discounts and data transfer.
    ");
    assert!(said.contains("a month if it is on all the time: $142.70\n"), "{said}");
    assert!(said.contains("m8g.xlarge") && said.contains("$131.05  730 h at $0.17952\n"), "{said}");
    assert!(
        said.contains("$8.00  100 GiB at $0.0800\n") && said.contains("$3.65  730 h at $0.00500\n"),
        "{said}"
    );
    assert!(said.contains("A month while it is off: $8.00\n"), "{said}");

    // What this computer stopped and started itself is no gap.
    home.run("--sandbox stop --yes").well();
    home.run("--sandbox start --yes").well();
    let now = cost();
    assert_eq!(now["so_far"]["known_from"], now["so_far"]["from"], "{now:#}");
    let range = total(&now, "so_far");
    assert_eq!(range["least"], range["most"], "{now:#}");
    assert!(range["least"].as_u64().unwrap() > 0, "{now:#}");
    assert_eq!(now["after"], serde_json::Value::Null);

    // Another type costs the same wherever it is said.
    home.run("--sandbox settings set instance_type m8g.2xlarge").well();
    assert_eq!(total(&cost(), "after"), exactly(142_699_600 + 131_049_600));
    let types = home.run("--sandbox types --json").well().json();
    let bigger =
        types["types"].as_array().unwrap().iter().find(|kind| kind["instance_type"] == "m8g.2xlarge");
    assert_eq!(bigger.map(|kind| &kind["difference"]), Some(&131_049_600.into()));
    let said = home.run("--sandbox cost").well().out;
    assert!(said.contains("A month with what holdfast apply would change: $273.75\n"), "{said}");

    let whole = home.run("--sandbox cost --json --refresh").well().json();
    assert!(!whole["prices"].as_str().unwrap().contains("not asked for"), "{}", whole["prices"]);
    let types = home.run("--sandbox types").well();
    assert!(types.err.contains(whole["prices"].as_str().unwrap()), "the same source: {}", types.err);
}

#[test]
fn where_there_is_no_price_it_says_so() {
    let home = Home::new();
    for line in ["region us-west-1", "instance_type m8i.large"] {
        home.run(&format!("--sandbox settings set {line}")).well();
    }
    let cost = home.run("--sandbox cost --json").well().json();
    assert_eq!((&cost["always"]["total"], &cost["always"]["parts"][0]["amount"]), (&().into(), &().into()));
    assert_eq!(cost["off"]["total"]["most"], 9_600_000, "{cost:#}");
    let said = home.run("--sandbox cost").well().out;
    assert!(said.contains("a month if it is on all the time: not known"), "{said}");
}
