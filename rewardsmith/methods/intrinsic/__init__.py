"""Parts of the intrinsic bonuses: tables of visits, running statistics, networks."""
