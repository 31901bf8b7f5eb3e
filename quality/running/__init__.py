"""Run the code of the catalogue and compare what it prints (`make quality RUN=1`)."""
