# What results say of themselves: a few sentences and the table that is most worth reading. tidy() and names() have all.

MOST_ROWS <- 20L

#' @export
print.at_result <- function(x, ...) {
  for (name in names(x)) print_part(x[[name]], name)
  say(c(x$words, x$verdict))
  invisible(x)
}

# Parts of a result that has no printing of its own.
print_part <- function(part, name) {
  if (is.data.frame(part) && nrow(part) > 0) {
    cli::cat_line(cli::style_bold(name))
    print_table(part)
  } else if (inherits(part, "at_evaluation")) {
    print(part)
  }
}

#' @export
print.at_comparison <- function(x, ...) {
  cli::cat_line(format.at_evaluation(list(measures = x$measures[x$measures[["units"]] %in% c("all", NA), ])))
  say(x$words)
  invisible(x)
}

#' @export
print.at_calibration <- function(x, ...) {
  say(x$words)
  print_brief(x$scores, c("version", "measure", "estimate", "ci_low", "ci_high", "n_units"))
  invisible(x)
}

#' @export
print.at_abstention <- function(x, ...) {
  say(x$words)
  invisible(x)
}

#' @export
print.at_level_abstention <- function(x, ...) {
  say(x$words)
  invisible(x)
}

#' @export
print.at_learning_curve <- function(x, ...) {
  rows <- beside_log_scores(x)
  say(sprintf("%s by the number of labels, on %s other texts", x$measure, format(rows$n_units[1], big.mark = ",")))
  print_brief(rows, intersect(c("n", "model", "estimate", "ci_low", "ci_high", "log_score"), names(rows)))
  say(x$words)
  invisible(x)
}

# The rows that a curve is about; with each model's log score, where the gold has its coders' shares.
beside_log_scores <- function(curve) {
  rows <- curve$table[curve$table$measure == curve$measure, ]
  scores <- curve$table[curve$table$measure == "log_score", ]
  if (nrow(scores) > 0 && curve$measure != "log_score") {
    rows$log_score <- scores$estimate[match(paste(rows$n, rows$model), paste(scores$n, scores$model))]
  }
  rows
}

#' @export
print.at_crossfit <- function(x, ...) {
  counts <- format(c(nrow(x$data), sum(x$data$coded)), big.mark = ",", trim = TRUE)
  folds <- length(unique(stats::na.omit(x$codings$fold)))
  what <- "%s texts, %s of them coded by hand: %d folds, each predicted by a model of the others."
  say(sprintf(what, counts[1], counts[2], folds))
  print(x$evaluation)
  say(paste("at_correct() and at_prevalence() take its `data`, with the columns", toString(names(x$data))))
  invisible(x)
}

#' @export
print.at_error_model <- function(x, ...) {
  say(x$verdict)
  print_brief(x$effects, c("covariate", "level", "reference", "difference", "conf_low", "conf_high"))
  invisible(x)
}

#' @export
print.at_drift <- function(x, ...) {
  say(x$verdict)
  moved <- x$table[x$table$moved, ]
  about <- c("variable", x$time, "measure", "about", "value", "reference", "change", "conf_low", "conf_high")
  if (nrow(moved)) print_brief(moved, about)
  say(unlist(x$notes))
  invisible(x)
}

#' @export
print.at_sample_plan <- function(x, ...) {
  say(x$verdict)
  print_brief(x$estimates)
  invisible(x)
}

# A row per label (by group and time), a column per method; methods without an estimate are left out.
#' @export
print.at_prevalence <- function(x, ...) {
  if (!all(c("label", "method", "estimate", "conf_low", "conf_high") %in% names(x))) {
    return(NextMethod()) # of chosen columns those, as they are
  }
  rows <- tidy(x)
  groups <- names(rows)[seq_len(match("label", names(rows)))]
  key <- joined(rows[groups], "")
  shares <- rows[!duplicated(key), groups]
  methods <- unique(rows$method[!is.na(rows$estimate)])
  # all intervals, those of the corrected shares, or none: what the width has room for
  for (told in list(methods, intersect(c("dsl", "ppi"), methods)[1], NULL)) {
    low <- ifelse(rows$method %in% told, rows$conf_low, NA)
    cells <- with_interval(rows$estimate, low, rows$conf_high)
    shares[methods] <- lapply(methods, function(method) {
      mine <- rows$method == method
      cells[mine][match(unique(key), key[mine])]
    })
    lines <- brief_lines(shares)
    if (max(nchar(lines, "width")) <= getOption("width")) break
  }
  cli::cat_line(lines)
  most <- format(c(max(rows$n, na.rm = TRUE), max(rows$n_coded, na.rm = TRUE)), big.mark = ",", trim = TRUE)
  if (length(groups) == 1) say(sprintf("%s texts, %s of them coded by hand.", most[1], most[2]))
  if (!setequal(told, methods)) say("tidy() has the other intervals.")
  say(prevalence_notes(rows, groups))
  invisible(x)
}

# Each note of a method once, and which shares it is about where it is not about all of them.
prevalence_notes <- function(rows, groups) {
  parts <- strsplit(sub("^[0-9]+ hand-coded texts:", "few hand-coded texts:", rows$note), "; ")
  about <- rep(joined(rows[groups], ""), lengths(parts))
  method <- rep(rows$method, lengths(parts))
  note <- unlist(parts)
  key <- ifelse(is.na(note), NA, paste(method, note, sep = ": "))
  vapply(unique(key[!is.na(key)]), function(one) {
    mine <- which(key == one)
    n <- sum(rows$method == method[mine[1]])
    if (length(mine) == n) {
      return(one)
    }
    which <- if (length(mine) > 3) sprintf("%d of %d shares", length(mine), n) else paste(about[mine], collapse = "; ")
    sprintf("%s (%s): %s", method[mine[1]], which, note[mine[1]])
  }, "", USE.NAMES = FALSE)
}

with_interval <- function(estimate, low, high) {
  ends <- ifelse(is.na(low) | low == high, "", sprintf(" (%.3f to %.3f)", low, high))
  ifelse(is.na(estimate), "-", paste0(sprintf("%.3f", estimate), ends))
}

# Sentences ------------------------------------------------------------------------------------------------------------

# In R's words and R's width. What is printed goes where results go, not where messages do.
say <- function(sentences) {
  for (sentence in in_r_words(as.character(unlist(sentences)))) cli::cat_line(strwrap(sentence, getOption("width")))
}

# Tables ---------------------------------------------------------------------------------------------------------------

# The columns as lines: numbers with three decimals, a dash where there is none; wider ones as a tibble.
print_brief <- function(x, columns = names(x)) {
  if (nrow(x) == 0) {
    return(invisible())
  }
  lines <- brief_lines(x[columns])
  if (max(nchar(lines, "width")) <= getOption("width")) cli::cat_line(lines) else print_table(x[columns])
}

brief_lines <- function(x) {
  more <- nrow(x) - MOST_ROWS
  cells <- mapply(brief_cells, as.list(utils::head(x, MOST_ROWS)), names(x), SIMPLIFY = FALSE)
  lines <- trimws(do.call(paste, c(unname(cells), sep = "  ")), "right")
  c(lines, if (more > 0) sprintf("... %s more rows", format(more, big.mark = ",")))
}

# A column with its name above, words to the left and numbers to the right.
brief_cells <- function(column, name) {
  words <- if (name == "p_value") {
    ifelse(column < 0.001, "< .001", sprintf("%.3f", column))
  } else if (is.double(column) && !is.object(column)) {
    sprintf("%.3f", column)
  } else {
    if (is.integer(column) && !is.object(column) && !grepl("year", name)) format(column, big.mark = ",", trim = TRUE)
    else as.character(column)
  }
  words[is.na(column)] <- "-"
  number <- is.numeric(column) || all(grepl("^(-|[0-9.]+( \\(.*\\))?)$", words))
  words <- c(name, words)
  formatC(words, width = max(nchar(words, "width")), flag = if (number) "" else "-")
}

# A tibble whose names and words are not abbreviated: columns without a value are left out, one that holds the same in
# all rows is said above, and what has no room is named below.
print_table <- function(x) {
  there <- vapply(x, function(column) !all(is.na(column)), NA)
  words <- vapply(x, is.character, NA) | startsWith(names(x), "n_")
  same <- there & words & vapply(x, function(column) length(unique(column)) == 1, NA) & nrow(x) > 1
  if (any(same)) {
    said <- paste(names(x)[same], vapply(x[same], first_as_text, ""), sep = ": ", collapse = "; ")
    cli::cat_line(strwrap(said, getOption("width")))
  }
  before <- options(pillar.min_title_chars = 40L, pillar.min_chars = 40L)
  on.exit(options(before))
  print(tibble::as_tibble(x[there & !same]))
}

first_as_text <- function(column) format(column[[1]], big.mark = ",")
