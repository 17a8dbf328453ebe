# Fails on every ERROR, WARNING and NOTE of R CMD check that is not expected, and on tests that did not run.
#   judge.R FOLDER [live|part]
# FOLDER is what R CMD check left (annotune.Rcheck). live: no test may be skipped; part: some must have run.

# Notes that say nothing of the package, each with its reason.
expected <- c(
  "it is not on CRAN yet" = "New submission",
  "the machine has no V8 to draw formulas with" = "Skipping checking math rendering",
  "the machine has no HTML Tidy of late" = "Skipping checking HTML validation"
)

arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
how <- c(arguments, "bare")[2]

# A note is the machine's where each of its lines is; the maintainer's line goes with any note on CRAN's incoming checks.
lines_of <- function(output) {
  lines <- trimws(strsplit(output, "\n", fixed = TRUE)[[1]])
  lines[nzchar(lines) & !grepl("^Maintainer: ", lines)]
}
is_expected <- function(output) {
  all(vapply(lines_of(output), function(line) any(vapply(expected, grepl, NA, line, fixed = TRUE)), NA))
}

# The tests' own count, "[ FAIL 0 | WARN 0 | SKIP 0 | PASS 0 ]".
tests_of <- function(folder) {
  file <- file.path(folder, "tests", "testthat.Rout")
  if (!file.exists(file)) stop("The tests did not end: there is no ", file)
  last <- utils::tail(grep("^\\[ FAIL [0-9]+ ", readLines(file), value = TRUE), 1)
  counts <- regmatches(last, gregexpr("[0-9]+", last))[[1]]
  stats::setNames(as.integer(counts), c("failed", "warned", "skipped", "passed"))
}

log <- file.path(folder, "00check.log")
status <- grep("^Status: ", readLines(log), value = TRUE)
if (length(status) == 0) stop("The check did not end: see ", log)
found <- tools::check_packages_in_dir_details(logs = log, drop_ok = TRUE)
known <- grepl("^note", found$Status, ignore.case = TRUE) & vapply(found$Output, is_expected, NA)
ours <- found[found$Status != "OK" & !known, ] # R 4.5 says OK where there is nothing to say
for (i in seq_len(nrow(ours))) message(ours$Status[i], ": ", ours$Check[i], "\n", ours$Output[i])
message(sprintf("%s (%s). %s", folder, how, status))
if (nrow(ours) > 0) stop("Findings of the package's own making: ", nrow(ours))

tests <- tests_of(folder)
message("Tests: ", paste(names(tests), tests, collapse = ", "))
if (tests["failed"] > 0) stop("Tests failed.")
if (how != "bare" && tests["passed"] == 0) stop("No test ran against Python.")
if (how == "live" && tests["skipped"] > 0) stop("Tests were skipped with everything there: see ", folder, "/tests.")
