#' Pictures of agreement, confusion and models
#'
#' R's `pdf()` knows the letters of western Europe alone and draws dots for others, with a warning: labels in Welsh,
#' Polish or Russian want `grDevices::cairo_pdf()`.
#'
#' @param x A table from [at_reliability()] and its like or [at_prevalence()], an evaluation from [at_evaluate()], a
#'   model from [at_tune()], what [at_correct()], [at_compare()], [at_calibration()], [at_learning_curve()],
#'   [at_plan_sample()], [at_drift()], [at_round()] or [at_multiverse()] gave.
#' @param type Of an evaluation: `"confusion"` (shares of each true label), `"labels"` (each label's F1) or `"models"`
#'   (the model beside its baselines).
#' @param metrics Which metrics of a table of agreement; all by default.
#' @param measure Which measure the models are compared by.
#' @param methods Which methods are beside each other: of shares by default the predictions as they are and corrected;
#'   of a corrected regression the hand-coded texts only, naive, and corrected.
#' @param labels Which labels' shares, each in a panel of its own; all by default.
#' @param time The column along the horizontal axis, where lines with their intervals as bands are drawn; by default
#'   that of [at_prevalence()]. Without one, or with `NULL`, groups are below each other.
#' @param intercept Whether the intercept of a regression is drawn too.
#' @param variable Whose drift; by default the first variable's.
#' @param estimator Which estimates of a multiverse: `"corrected"`, `"naive"` or `"hand-coded only"`.
#' @param estimate Which share or coefficient of a plan; by default the one with the largest standard error.
#' @param xlab,main The horizontal axis's label, and the heading.
#' @param ... Further graphical parameters.
#' @return What was drawn, invisibly: a tibble or matrix.
#' @examplesIf at_available()
#' truth <- factor(rep(c("a", "b", "c"), each = 20))
#' predicted <- truth
#' predicted[seq(1, 60, 7)] <- "a"
#' found <- at_evaluate(truth, predicted, n_boot = 100)
#' plot(found)
#' plot(found, type = "labels")
#' @name plots
NULL

#' @rdname plots
#' @export
plot.at_reliability <- function(x, metrics = NULL, xlab = "Agreement (95 % interval)", main = NULL, ...) {
  shown <- tidy(x)
  shown <- shown[!is.na(shown$estimate) & shown$metric %in% (metrics %||% shown$metric), ]
  about <- c("variable", "category", "coder_a", "coder_b", "level")
  telling <- about[vapply(shown[about], function(column) length(unique(column[!is.na(column)])) > 1, NA)]
  parts <- lapply(shown[c("metric", telling)], function(column) ifelse(is.na(column), "", as.character(column)))
  names <- trimws(gsub(" +", " ", do.call(paste, unname(parts))))
  draw_intervals(names, shown$estimate, shown$ci_low, shown$ci_high, xlab = xlab, main = main, ...)
  invisible(shown)
}

#' @rdname plots
#' @export
plot.at_evaluation <- function(x, type = c("confusion", "labels", "models"), measure = "macro_f1", main = NULL, ...) {
  switch(match.arg(type),
    confusion = plot_confusion(x, main, ...),
    labels = plot_labels(x, main, ...),
    models = plot_models(x, measure, main, ...)
  )
}

plot_labels <- function(x, main, ...) {
  shown <- summary(x)
  draw_intervals(shown$label, shown$f1, shown$f1_low, shown$f1_high, xlab = "F1 (95 % interval)", main = main, ...)
  invisible(shown)
}

#' @rdname plots
#' @export
plot.at_comparison <- function(x, measure = "macro_f1", main = NULL, ...) plot_models(x, measure, main, ...)

plot_models <- function(x, measure, main, ...) {
  shown <- x$measures[x$measures$measure == measure, ]
  if (nrow(shown) == 0) abort(sprintf("There is no measure '%s'.", measure), "See tidy() for those there are.")
  draw_intervals(
    shown$model, shown$estimate, shown$ci_low, shown$ci_high,
    xlab = paste(measure, "(95 % interval)"), main = main, ...
  )
  invisible(shown)
}

# Shares of each true label, darker where larger, the counts written in.
plot_confusion <- function(x, main, ...) {
  counts <- confusion_matrix(x)
  if (length(counts) == 0) abort("Label sets have no confusion table.", "See plot(type = \"labels\").")
  shares <- counts / pmax(rowSums(counts), 1)
  k <- nrow(counts)
  before <- graphics::par(mar = c(margin_for(colnames(counts)), margin_for(rownames(counts)), 3, 1), las = 2)
  on.exit(graphics::par(before))
  graphics::image(
    seq_len(ncol(counts)), seq_len(k), t(shares[k:1, , drop = FALSE]),
    zlim = c(0, 1), col = grDevices::hcl.colors(64, "Blues 3", rev = TRUE), axes = FALSE, xlab = "", ylab = "",
    main = main %||% "True (rows) and predicted (columns)", ...
  )
  graphics::axis(1, seq_len(ncol(counts)), colnames(counts), tick = FALSE)
  graphics::axis(2, seq_len(k), rev(rownames(counts)), tick = FALSE)
  cells <- which(counts > 0, arr.ind = TRUE)
  graphics::text(
    cells[, 2], k + 1 - cells[, 1], counts[cells],
    col = ifelse(shares[cells] > 0.5, "white", "black")
  )
  invisible(counts)
}

confusion_matrix <- function(x) {
  labels <- unique(x$labels$label)
  columns <- c(labels, if (anyNA(x$confusion$predicted)) "(none)")
  counts <- matrix(0, length(labels), length(columns), dimnames = list(labels, columns))
  if (nrow(x$confusion) == 0) {
    return(matrix(0, 0, 0))
  }
  predicted <- ifelse(is.na(x$confusion$predicted), "(none)", x$confusion$predicted)
  counts[cbind(x$confusion$truth, predicted)] <- x$confusion$n
  counts
}

# A row per name, from the top: the estimate and its interval.
draw_intervals <- function(names, estimate, low, high, xlab, main = NULL, ...) {
  if (length(names) == 0) abort("There is no estimate to draw.", "The notes in the table say why.")
  places <- rev(seq_along(names))
  limits <- range(0, 1, estimate, low, high, na.rm = TRUE)
  before <- graphics::par(mar = c(5, margin_for(names), 3, 1), las = 1)
  on.exit(graphics::par(before))
  graphics::plot(
    estimate, places,
    xlim = limits, ylim = c(0.5, length(names) + 0.5), pch = 19, yaxt = "n", xlab = xlab, ylab = "", main = main, ...
  )
  graphics::abline(v = c(0, 1), col = "grey80")
  known <- !is.na(low) & !is.na(high)
  graphics::segments(low[known], places[known], high[known], places[known])
  graphics::axis(2, places, names, tick = FALSE)
}

# Lines of margin for the longest name, up to half of the picture.
margin_for <- function(names) {
  wanted <- max(nchar(names, "width"), 0) * 0.65 * graphics::par("cin")[1] / graphics::par("csi") + 2
  min(wanted, grDevices::dev.size()[1] / 2 / graphics::par("csi"))
}

#' @rdname plots
#' @export
plot.at_calibration <- function(x, main = NULL, ...) {
  shown <- x$bins[x$bins$version == x$bins$version[1], ]
  graphics::plot(
    shown$confidence, shown$right,
    xlim = c(0, 1), ylim = c(0, 1), pch = 19, las = 1, xlab = "Stated probability", ylab = "Share that is right",
    main = main, ...
  )
  graphics::abline(0, 1, col = "grey60", lty = 2)
  graphics::segments(shown$confidence, shown$ci_low, shown$confidence, shown$ci_high)
  graphics::text(shown$confidence, shown$right, shown$n, pos = 4, cex = 0.8)
  invisible(shown)
}

#' @rdname plots
#' @export
plot.at_sample_plan <- function(x, estimate = NULL, main = NULL, ...) {
  worst <- x$estimates$estimate[which.max(x$estimates$std_error)]
  estimate <- estimate %||% worst
  shown <- x$curve[x$curve$estimate == estimate, ]
  if (nrow(shown) == 0) abort(sprintf("There is no estimate '%s'.", estimate), "See tidy() for those there are.")
  about <- c(
    std_error_hand = "hand codings alone, simple draw", std_error = "corrected, simple draw",
    std_error_stratified = "corrected, strata by predicted label", std_error_active = "corrected, active draw"
  )
  about <- about[names(about) %in% names(shown)]
  errors <- as.matrix(shown[names(about)])
  colours <- grDevices::hcl.colors(length(about), "Dark 3")
  graphics::matplot(
    shown$n, errors,
    type = "l", log = "x", lty = seq_along(about), lwd = 2, col = colours, las = 1, main = main,
    xlab = sprintf("Hand-coded texts, of %s", format(x$total, big.mark = ",")),
    ylab = sprintf("Standard error of %s", estimate), ...
  )
  graphics::legend("topright", about, lty = seq_along(about), lwd = 2, col = colours, bty = "n", cex = 0.9)
  invisible(shown)
}

# Changes by period with their intervals; those that moved are filled.
#' @rdname plots
#' @export
plot.at_drift <- function(x, variable = NULL, main = NULL, ...) {
  variable <- variable %||% x$table$variable[1]
  shown <- x$table[x$table$variable == variable, ]
  if (nrow(shown) == 0) abort(sprintf("There is no variable '%s'.", variable), "See tidy() for those there are.")
  about <- c(
    uncertain = "Unsure of (share of texts)", certainty = "Distance of the certainty",
    labels = "Largest change of a label's share", accuracy = "Coded as by people"
  )
  about <- about[names(about) %in% shown$measure[!is.na(shown$change)]]
  before <- graphics::par(mfrow = c(length(about), 1), mar = c(3, 4, 2, 1))
  on.exit(graphics::par(before))
  for (measure in names(about)) {
    rows <- shown[shown$measure == measure & !is.na(shown$change), ]
    periods <- rows[[x$time]]
    at <- if (is.character(periods)) seq_along(periods) else periods
    colours <- ifelse(rows$moved, "#d55e00", "#1f4e79")
    graphics::plot(
      at, rows$change,
      ylim = range(rows$conf_low, rows$conf_high, 0), pch = ifelse(rows$moved, 19, 1), col = colours, las = 1,
      xaxt = if (is.character(periods)) "n" else "s", xlab = "", ylab = "Change", main = main %||% about[[measure]], ...
    )
    if (is.character(periods)) graphics::axis(1, at, periods)
    graphics::abline(h = 0, lty = 2, col = "grey60")
    graphics::segments(at, rows$conf_low, at, rows$conf_high, col = colours)
  }
  invisible(shown)
}

# Agreement, the model, and the first regression's coefficients by round, beside what is expected of the next.
#' @rdname plots
#' @export
plot.at_rounds <- function(x, main = NULL, ...) {
  if (nrow(x$table) == 0) abort("No round is done yet: there is nothing to draw.", x$due)
  shown <- x$table[x$table$variable == x$table$variable[1], ]
  first <- x$coefficients[x$coefficients$formula %in% x$coefficients$formula[1], ]
  slopes <- first[!grepl("Intercept$", first$term), ]
  first <- if (nrow(slopes) > 0) slopes else first
  before <- graphics::par(mfrow = c(2, 2), mar = c(4, 4, 2.5, 1), las = 1)
  on.exit(graphics::par(before))
  draw_rounds(shown$round, shown[c("alpha", "alpha_low", "alpha_high")], "Agreement (alpha)", ...)
  draw_rounds(shown$round, shown[c("macro_f1", "macro_f1_low", "macro_f1_high")], "macro-F1, cross-fitted", ...)
  for (term in unique(first$term)[seq_len(min(1, nrow(first)))]) {
    mine <- first[first$term == term, ]
    ahead <- mine[nrow(mine), ]
    half <- if (is.na(ahead$expected_width)) numeric() else ahead$expected_width / 2
    draw_rounds(mine$round, mine[c("estimate", "conf_low", "conf_high")], term, more = length(half), ...)
    graphics::segments(max(mine$round) + 1, ahead$estimate - half, max(mine$round) + 1, ahead$estimate + half, lty = 2)
  }
  graphics::barplot(shown$codings, names.arg = shown$round, xlab = "Round", main = "Codings", border = NA)
  if (!is.null(main)) graphics::title(main, outer = TRUE, line = -1)
  invisible(shown)
}

# The specification curve after Simonsohn, Simmons and Nelson (2020): estimates in ascending order, the choices below.
#' @rdname plots
#' @export
plot.at_multiverse <- function(x, estimator = "corrected", main = NULL, ...) {
  shown <- x$table[x$table$estimator == estimator, ]
  if (nrow(shown) == 0) abort(sprintf("There are no estimates by '%s'.", estimator), "See tidy() for those there are.")
  shown <- shown[order(shown$estimate), ]
  varied <- intersect(MULTIVERSE, names(shown))
  varied <- varied[vapply(shown[varied], function(values) length(unique(values[!is.na(values)])) > 1, NA)]
  rows <- unlist(lapply(varied, function(name) paste0(name, ": ", unique(shown[[name]][!is.na(shown[[name]])]))))
  before <- graphics::par(mar = c(0.5, margin_for(c(rows, "0.000")), 2.5, 1), las = 1)
  on.exit({
    graphics::layout(1)
    graphics::par(before)
  })
  graphics::layout(matrix(1:2), heights = c(3, max(1, length(rows) * 0.22)))
  significant <- !is.na(shown$conf_low) & (shown$conf_low > 0 | shown$conf_high < 0)
  colours <- ifelse(!significant, "grey70", ifelse(shown$estimate > 0, "#1f4e79", "#d55e00"))
  graphics::plot(
    seq_along(shown$estimate), shown$estimate,
    ylim = range(0, shown$conf_low, shown$conf_high, shown$estimate, na.rm = TRUE), xaxt = "n", xlab = "", ylab = "",
    pch = ifelse(shown$own, 18, 20), cex = ifelse(shown$own, 1.8, 0.7), col = ifelse(shown$own, "black", colours),
    bty = "n", main = main %||% sprintf("%s, %s", x$term, estimator), ...
  )
  graphics::abline(h = 0, lty = 2, col = "grey50")
  graphics::segments(seq_along(shown$estimate), shown$conf_low, y1 = shown$conf_high, col = colours)
  graphics::plot(
    c(1, nrow(shown)), c(0.5, length(rows) + 0.5),
    type = "n", axes = FALSE, xlab = "", ylab = ""
  )
  for (name in varied) {
    places <- length(rows) + 1 - match(paste0(name, ": ", shown[[name]]), rows)
    graphics::points(seq_along(places), places, pch = "|", cex = 0.6, col = "#1f4e79")
  }
  graphics::axis(2, rev(seq_along(rows)), rows, tick = FALSE, cex.axis = 0.8)
  invisible(shown)
}

MULTIVERSE <- c("coder", "base", "method", "codebook", "seed", "gold", "cutoffs", "prediction", "correction")

draw_rounds <- function(round, cells, title, more = 0, ...) {
  names(cells) <- c("estimate", "low", "high")
  if (all(is.na(cells$estimate))) {
    return(graphics::plot.new())
  }
  graphics::plot(
    round, cells$estimate,
    xlim = c(min(round) - 0.3, max(round) + more + 0.3), ylim = range(unlist(cells), na.rm = TRUE), type = "o", pch = 19,
    xaxt = "n", xlab = "Round", ylab = "", main = title, ...
  )
  graphics::axis(1, round)
  known <- !is.na(cells$low)
  graphics::segments(round[known], cells$low[known], round[known], cells$high[known])
}

#' @rdname plots
#' @export
plot.at_learning_curve <- function(x, measure = x$measure, main = NULL, ...) {
  shown <- x$table[x$table$measure == measure, ]
  if (nrow(shown) == 0) abort(sprintf("There is no measure '%s'.", measure), "See tidy() for those there are.")
  models <- unique(shown$model)
  colours <- stats::setNames(grDevices::hcl.colors(length(models), "Dark 3"), models)
  ahead <- if (measure == x$measure) x$forecast
  before <- graphics::par(mar = c(5, 5, 2.5 + ceiling((length(models) + 1) / 2), 1), las = 1)
  on.exit(graphics::par(before))
  graphics::plot(
    range(shown$n, 1.01^length(models) * max(shown$n), ahead$n), # room for what stands aside
    range(shown$estimate, shown$ci_low, shown$ci_high, ahead$ci_low, ahead$ci_high, na.rm = TRUE),
    type = "n", log = "x", xaxt = "n", xlab = "Hand-coded texts", ylab = measure, main = main, ...
  )
  graphics::axis(1, unique(c(shown$n, ahead$n[nrow(ahead)])))
  if (!is.null(ahead)) draw_forecast(ahead, max(shown$n), colours[[1]])
  for (i in seq_along(models)) draw_curve(shown[shown$model == models[i], ], colours[[i]], aside = 1.01^(i - 1))
  forecast <- !is.null(ahead)
  graphics::legend(
    "bottomleft", c(models, if (forecast) "fitted and forecast"), inset = c(0, 1), xpd = TRUE, ncol = 2, bty = "n",
    col = c(colours, if (forecast) colours[[1]]), lty = c(rep(1, length(models)), if (forecast) 2),
    pch = c(rep(19, length(models)), if (forecast) NA), cex = 0.9
  )
  invisible(shown)
}

# Models beside each other, not on top: two can be equal.
draw_curve <- function(mine, colour, aside) {
  graphics::lines(mine$n * aside, mine$estimate, type = "o", pch = 19, col = colour)
  known <- mine[!is.na(mine$ci_low), ]
  graphics::segments(known$n * aside, known$ci_low, known$n * aside, known$ci_high, col = colour)
}

# The fitted curve, dashed, on to twice the largest size, where its interval is shaded.
draw_forecast <- function(ahead, largest, colour) {
  beyond <- ahead[ahead$n >= largest & !is.na(ahead$ci_low), ]
  graphics::polygon(
    c(beyond$n, rev(beyond$n)), c(beyond$ci_low, rev(beyond$ci_high)),
    col = grDevices::adjustcolor(colour, 0.15), border = NA
  )
  graphics::lines(ahead$n, ahead$estimate, lty = 2, col = colour)
}
