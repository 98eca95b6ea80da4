"""The web server of the pages: `rewardsmith ui`."""
