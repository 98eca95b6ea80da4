"""References of described tasks: functions of the state, policies and recorded episodes that act well."""
