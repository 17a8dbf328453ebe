#' What seeing proposals did to answers
#'
#' Whoever accepts or rejects what a model proposes tends to accept. Where a random part of the texts is coded blind,
#' without proposals ([at_sample()] with `blind`), the difference between both kinds of answers is what the proposals did:
#' to the share of each label, by coder and by who proposes, and to what is found at all.
#'
#' @param source A study's store (`.annotune`); or a data frame, or the path of a file, with one row per answer:
#'   `unit_id`, `coder`, `proposals` (the labels that were in sight, joined by semicolons; empty where none was), and
#'   `label` (the answer) or `accepted` (whether the proposal was). More where there is more: `variable`, `proposer`,
#'   `arm` (`"open"`, `"two"`, `"blind"`, `"decoy"`), `decoy`, `seconds`, `wave`.
#' @param variable The variable; all of them together when left out, with a row for each.
#' @param columns Where a table's columns have other names: `c(label = "answer", proposals = "suggested")`.
#' @param proposals For a table, codings by models: what was proposed for texts that were coded blind.
#' @param cluster Standard errors allow for dependence within coders and within texts; `"unit_id"` alone is for
#'   conclusions about these very coders.
#' @param x What `at_anchoring()` gave.
#' @param main,... The heading, and further graphical parameters.
#' @return An object of class `at_anchoring`: a list with `shares` (of each label with and without proposals), `acceptance`
#'   (how often a proposed label is given, seen and unseen: in all, by coder, proposer and label), `recall` (how much of
#'   what blind coders found was proposed), `decoys`, `pairs`, `reliability`, `agreement`, `seconds`, `notes`, and the
#'   findings in `words`. `plot()` draws the differences, or the shares that are accepted where there are no blind answers.
#' @references Schroeder, H., Roy, D. and Kabbara, J. (2025). Just put a human in the loop? *ACL*.
#' @examplesIf at_available()
#' answers <- data.frame(
#'   unit_id = 1:120, coder = c("anna", "ben"), label = c("Health", "Law", "Law", "Health"),
#'   proposals = c("Health", "Health", NA)
#' )
#' at_anchoring(answers)
#' @export
at_anchoring <- function(source, variable = NULL, columns = NULL, proposals = NULL, cluster = c("coder", "unit_id")) {
  at_call(
    "anchoring",
    source = if (is_path(source)) as_path(source) else frame_to_python(source), variable = variable,
    columns = if (!is.null(columns)) as.list(columns),
    proposals = if (is.data.frame(proposals)) frame_to_python(proposals) else as_path(proposals),
    cluster = several(cluster)
  )
}

#' @rdname at_anchoring
#' @export
plot.at_anchoring <- function(x, main = NULL, ...) {
  rows <- x$acceptance[x$acceptance$by %in% MAIN_GROUPS, ]
  if (x$n_blind > 0) {
    shown <- rbind(
      data.frame(name = rows$name, rows[c("difference", "ci_low", "ci_high")]),
      data.frame(name = x$shares$label, x$shares[c("difference", "ci_low", "ci_high")])
    )
    xlab <- "Difference to answers without proposals (95 % interval)"
  } else {
    shown <- data.frame(
      name = rows$name, difference = rows$share_shown, ci_low = rows$low_shown, ci_high = rows$high_shown
    )
    xlab <- "Share of proposed labels that coders give (95 % interval)"
  }
  shown <- shown[!is.na(shown$difference), ]
  draw_intervals(shown$name, shown$difference, shown$ci_low, shown$ci_high, xlab = xlab, main = main, ...)
  invisible(shown)
}

#' @export
print.at_anchoring <- function(x, ...) {
  for (sentence in c(unlist(x$words), unlist(x$notes))) say(sentence)
  rows <- x$acceptance[x$acceptance$by %in% MAIN_GROUPS, ]
  figures <- c("share_blind", "share_shown", "difference", "ci_low", "ci_high")
  print_brief(rows, c("by", "name", "n_shown", figures))
  if (nrow(x$shares)) print_brief(x$shares, c("variable", "label", figures, "p_holm"))
  invisible(x)
}

#' @export
tidy.at_anchoring <- function(x, ...) x$acceptance

# What is shown of how often proposed labels are given: rows by label can be many.
MAIN_GROUPS <- c("all", "these coders", "coder", "proposer")

#' Blind answers as hand codings
#'
#' Answers that people gave with a model's proposal in sight lean towards it, and are one more proxy; those that were given
#' without ([at_sample()] with `blind`) take the place of hand codings, so that [at_correct()] and [at_prevalence()] undo
#' what proposals did. The probability of a blind answer is known by the draw: that of the text times the part of its wave
#' that was coded blind.
#'
#' @param data A data frame with a row per text of the corpus, with covariates and predictions, as [at_crossfit()] or
#'   [at_attach()] gives them. Its hand codings, `pi` and `wave` are replaced.
#' @param store The study's store (`.annotune`), with coders in the arm `blind`.
#' @param codebook By default the store's.
#' @param among `"corpus"`: all rows. `"verified"`: the texts that were coded with proposals, whose codings
#'   `<variable>_shown` are a proxy for `predicted`; hand codings are those of texts that another coder coded blind, and the
#'   column `stands_for` has survey weights for `weights`.
#' @return The rows with `<variable>_gold`, `pi`, and `<variable>_shown`.
#' @examplesIf at_available()
#' store <- tempfile(fileext = ".annotune")
#' codebook <- at_codebook(list(topic = c(Health = 1, Law = 2)))
#' corpus <- data.frame(unit_id = as.character(1:100), text = "Why?", topic = "Law")
#' draw <- at_sample(corpus, 50, coders = "anna", blind = 0.2, store = store, codebook = codebook)
#' answers <- data.frame(unit_id = draw$texts$unit_id, coder = "anna", topic = "Health")
#' at_record(store, at_codings(answers, codebook))
#' table(at_blind_gold(corpus, store)$topic_gold)
#' @export
at_blind_gold <- function(data, store, codebook = NULL, among = c("corpus", "verified")) {
  at_call(
    "blind_gold",
    data = usable_columns(data), store = as_path(store), codebook = codebook, among = match.arg(among)
  )
}
