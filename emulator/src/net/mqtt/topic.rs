//! Names of topics, and the filters that choose among them (4.7).

use mqtt_proto::TopicName;

/// Whether a message can be published under this name.
pub(in crate::net) fn is_name(name: &str) -> bool {
    // Names of no characters are for MQTT 5 [MQTT-4.7.3-1].
    !name.is_empty() && !TopicName::is_invalid(name)
}

/// Whether a filter that is one takes messages of a topic.
pub(super) fn takes(filter: &str, name: &str) -> bool {
    // [MQTT-4.7.2-1]
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = name.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            // Also the level above it (4.7.1.2).
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_take_what_the_standard_says() {
        // The examples of 4.7.1 to 4.7.3, and some of their opposites.
        for (filter, taken, left) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", "sport/tennis"),
            (
                "sport/tennis/player1/#",
                "sport/tennis/player1/score/wimbledon",
                "sport/tennis/player2",
            ),
            ("sport/#", "sport", "sports"),
            ("#", "a/b/c", "$SYS/uptime"),
            ("sport/tennis/+", "sport/tennis/player1", "sport/tennis/player1/ranking"),
            ("sport/+", "sport/", "sport"),
            ("+/+", "/finance", "finance"),
            ("/+", "/finance", "a/finance"),
            ("+", "finance", "/finance"),
            ("$SYS/#", "$SYS/", "SYS/"),
            ("$SYS/monitor/+", "$SYS/monitor/Clients", "$SYS/monitor"),
            ("a//b", "a//b", "a/b"),
            ("ACCOUNTS", "ACCOUNTS", "accounts"),
        ] {
            assert!(takes(filter, taken), "{filter} {taken}");
            assert!(!takes(filter, left), "{filter} {left}");
        }
    }

    #[test]
    fn a_name_has_no_wildcards() {
        assert!(is_name("a/b") && is_name("/"));
        assert!(!is_name("") && !is_name("a/+") && !is_name("#") && !is_name("a\0"));
    }
}
