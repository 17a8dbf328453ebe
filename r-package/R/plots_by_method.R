# Shares and coefficients by several methods beside each other: with and without a correction.

# The same for each method, whichever are shown, in colours that everyone can tell apart (Okabe and Ito 2008). What is
# not corrected is dashed.
STYLES <- data.frame(
  row.names = c("count", "naive", "dsl", "ppi", "corrected", "hand", "hand-coded only", "adjusted", "em"),
  name = c(
    "predictions as they are", "naive", "corrected (DSL)", "corrected (PPI)", "corrected", "hand-coded only",
    "hand-coded only", "adjusted count", "EM"
  ),
  colour = c(
    "#d55e00", "#d55e00", "#1f4e79", "#009e73", "#1f4e79", "#777777", "#777777", "#cc79a7", "#000000"
  ),
  pch = c(15, 15, 19, 17, 19, 23, 23, 25, 4),
  lty = c(2, 2, 1, 1, 1, 3, 3, 4, 6)
)
PALE <- "#b8c4d0"

#' @rdname plots
#' @export
plot.at_prevalence <- function(x, methods = NULL, labels = NULL, time = attr(x, "time"), main = NULL, ...) {
  shown <- shares_to_draw(x, methods, labels)
  methods <- intersect(methods %||% shown$method, shown$method) # in the order asked for
  groups <- setdiff(names(x)[seq_len(match("label", names(x)) - 1)], time)
  if (!is.null(time)) require_columns(shown, time, "The table of shares")
  shown$group <- joined(shown[groups], "all texts")
  most <- max(shown$estimate, shown$conf_high, na.rm = TRUE) * 1.05
  if (is.null(time)) draw_shares_of_groups(shown, methods, length(groups) > 0, most, main)
  else draw_shares_over_time(shown, methods, time, most, main)
  invisible(shown[setdiff(names(shown), "group")])
}

shares_to_draw <- function(x, methods, labels) {
  usual <- intersect(c("count", "dsl"), x$method)
  methods <- methods %||% if (length(usual)) usual else x$method
  for (one in list(c("method", methods), c("label", labels))) {
    there <- unique(as.character(x[[one[1]]]))
    strange <- setdiff(one[-1], there)
    if (length(strange)) {
      advice <- paste0("There are: ", paste(sprintf("'%s'", there), collapse = ", "), ".")
      abort(sprintf("The table has no %s '%s'.", one[1], strange[1]), advice)
    }
  }
  shown <- tidy(x)
  shown <- shown[shown$method %in% methods & (is.null(labels) | shown$label %in% labels) & !is.na(shown$estimate), ]
  if (nrow(shown) == 0) abort("There is no estimate to draw.", "The notes in the table say why.")
  shown
}

# The columns' values in one word; of a logical, what is true or not.
joined <- function(columns, otherwise) {
  words <- mapply(
    function(column, name) if (is.logical(column)) paste(name, column) else as.character(column),
    as.list(columns), names(columns),
    SIMPLIFY = FALSE
  )
  if (length(words)) do.call(paste, c(unname(words), sep = ", ")) else otherwise
}

# Labels below each other where there are no groups, else a panel per label.
draw_shares_of_groups <- function(shown, methods, grouped, most, main) {
  rows <- if (grouped) shown$group else as.character(shown$label)
  panels <- if (grouped) as.character(shown$label) else rep("", nrow(shown))
  names <- unique(rows)
  draw_panels(unique(panels), methods, main, "Share of texts", "", inches_of_rows(names), names, function(panel) {
    mine <- panels == panel
    draw_rows(shown[mine, ], rows[mine], names, methods, c(0, most), panel)
  })
}

draw_shares_over_time <- function(shown, methods, time, most, main) {
  several <- length(unique(shown$group)) > 1
  panels <- if (several) paste(shown$label, shown$group, sep = ": ") else as.character(shown$label)
  panels <- factor(panels, unique(panels[order(match(shown$label, unique(shown$label)))]))
  draw_panels(levels(panels), methods, main, time, "Share of texts", 1.8, "0.00", function(panel) {
    draw_bands(shown[panels == panel, ], methods, time, range_of_time(shown[[time]]), most, panel)
  })
}

range_of_time <- function(x) if (is.character(x)) factor(x, sort(unique(x))) else x

#' @rdname plots
#' @export
plot.at_correction <- function(x, methods = NULL, intercept = FALSE, xlab = NULL, main = NULL, ...) {
  shown <- tidy(x, method = methods)
  shown <- shown[!is.na(shown$estimate) & (intercept | shown$term != "(Intercept)"), ]
  if (nrow(shown) == 0) abort("There is no estimate to draw.", "plot(intercept = TRUE) draws the intercept.")
  rows <- correction_names(shown)
  names(shown) <- sub("conf.", "conf_", names(shown), fixed = TRUE)
  methods <- intersect(methods %||% shown$method, shown$method)
  limits <- range(0, shown$estimate, shown$conf_low, shown$conf_high, na.rm = TRUE)
  xlab <- xlab %||% sprintf("Coefficient (%g %% interval)", 100 * x$level)
  names <- unique(rows)
  draw_panels("", methods, main %||% x$formula, xlab, "", inches_of_rows(names), names, function(panel) {
    draw_rows(shown, rows, names, methods, limits, panel, zero = TRUE)
  })
  invisible(shown)
}

inches_of_rows <- function(names) max(1.3, 0.7 + 0.2 * length(names))

# A strip with the heading and what colours mean, and the panels below it, in as many columns as they need: each of at
# least so many inches. `ticks` are the names beside the vertical axis.
draw_panels <- function(panels, methods, main, xlab, ylab, inches, ticks, draw) {
  size <- grDevices::dev.size()
  strip <- 0.1 + 0.22 * (ceiling(length(methods) / 3) + !is.null(main))
  columns <- columns_of_panels(length(panels), size[2] - strip - 0.4, inches)
  rows <- ceiling(length(panels) / columns)
  cells <- c(seq_along(panels) + 1, rep(0, rows * columns - length(panels)))
  before <- graphics::par(no.readonly = TRUE)
  on.exit(graphics::par(before))
  graphics::par(oma = c(2, if (nzchar(ylab)) 2 else 0, 0, 0))
  graphics::layout(
    rbind(1, matrix(cells, rows, columns, byrow = TRUE)),
    heights = c(graphics::lcm(strip * 2.54), rep(1, rows))
  )
  draw_key(methods, main, size[1])
  graphics::par(cex = 0.85)
  left <- min(max(graphics::strwidth(ticks, "inches")) + 0.25, 0.5 * size[1] / columns)
  graphics::par(mai = c(0.4, left, if (any(nzchar(panels))) 0.35 else 0.1, 0.2), las = 1, mgp = c(3, 0.7, 0))
  for (panel in panels) draw(panel)
  graphics::mtext(xlab, 1, outer = TRUE, line = 0.6, cex = 0.85)
  graphics::mtext(ylab, 2, outer = TRUE, line = 0.6, cex = 0.85, las = 0)
}

columns_of_panels <- function(n, height, inches) {
  for (columns in 1:4) {
    if (n == 1 || height / ceiling(n / columns) >= inches) {
      return(columns)
    }
  }
  abort(
    sprintf("%d panels do not fit into this picture.", n),
    "Choose some with `labels`, or draw into a larger one: png(\"shares.png\", 10, 14, units = \"in\", res = 150)."
  )
}

# The heading, and what the methods look like, three in a line.
draw_key <- function(methods, main, width) {
  lines <- ceiling(length(methods) / 3)
  graphics::par(mar = c(0, 0, 0, 0), cex = 0.85)
  limits <- c(lines + 0.5, 0.5 - !is.null(main))
  graphics::plot(NA, xlim = c(0, width), ylim = limits, axes = FALSE, xaxs = "i", ann = FALSE)
  if (!is.null(main)) graphics::text(0.15, 0, main, adj = c(0, 0.5), font = 2)
  style <- STYLES[methods, ]
  apart <- max(graphics::strwidth(style$name)) + 0.75
  x <- 0.15 + (seq_along(methods) - 1) %% 3 * apart
  y <- (seq_along(methods) - 1) %/% 3 + 1
  graphics::segments(x, y, x + 0.4, y, col = style$colour, lty = style$lty, lwd = 1.8)
  graphics::points(x + 0.2, y, pch = style$pch, col = style$colour, bg = style$colour)
  graphics::text(x + 0.48, y, style$name, adj = c(0, 0.5))
}

# A row per name, from the top, in which the methods are below each other.
draw_rows <- function(shown, rows, names, methods, limits, main, zero = FALSE) {
  graphics::plot(NA, xlim = limits, ylim = c(length(names) + 0.5, 0.5), yaxt = "n", ann = FALSE, bty = "n", yaxs = "i")
  graphics::title(main, adj = 0, line = 0.6, font.main = 2, cex.main = 1)
  graphics::abline(v = graphics::axTicks(1), col = PALE, lwd = 0.6)
  if (zero) graphics::abline(v = 0, col = "#777777")
  room <- graphics::par("pin")[2] / length(names) # inches a row
  graphics::axis(2, seq_along(names), names, tick = FALSE, cex.axis = min(1, room / 0.16))
  step <- 0.6 / max(length(methods), 2)
  for (i in seq_along(methods)) {
    mine <- shown$method == methods[i]
    y <- match(rows[mine], names) + (i - (length(methods) + 1) / 2) * step
    style <- STYLES[methods[i], ]
    graphics::segments(shown$conf_low[mine], y, shown$conf_high[mine], y, col = style$colour, lwd = 1.8)
    graphics::points(shown$estimate[mine], y, pch = style$pch, col = style$colour, bg = style$colour)
  }
}

# A line with a band per method.
draw_bands <- function(shown, methods, time, times, most, main) {
  words <- is.factor(times)
  place <- function(x) if (words) match(as.character(x), levels(times)) else as.numeric(x)
  graphics::plot(
    range(place(times)), c(0, most),
    type = "n", xaxt = "n", bty = "n", ann = FALSE
  )
  graphics::title(main, adj = 0, line = 0.6, font.main = 2, cex.main = 1)
  graphics::abline(h = graphics::axTicks(2), col = PALE, lwd = 0.6)
  draw_time_axis(times, place)
  for (method in methods) {
    mine <- shown[shown$method == method, ]
    mine <- mine[order(place(mine[[time]])), ]
    at <- place(mine[[time]])
    style <- STYLES[method, ]
    band <- !is.na(mine$conf_low) & !is.na(mine$conf_high)
    graphics::polygon(
      c(at[band], rev(at[band])), c(mine$conf_low[band], rev(mine$conf_high[band])),
      col = grDevices::adjustcolor(style$colour, 0.15), border = NA
    )
    graphics::lines(at, mine$estimate, col = style$colour, lty = style$lty, lwd = 1.8)
    graphics::points(at, mine$estimate, col = style$colour, bg = style$colour, pch = style$pch, cex = 0.8)
  }
}

draw_time_axis <- function(times, place) {
  if (is.factor(times)) {
    graphics::axis(1, seq_along(levels(times)), levels(times))
  } else if (is.numeric(times)) {
    ticks <- pretty(times)
    graphics::axis(1, if (is.integer(times)) ticks[ticks == round(ticks)] else ticks)
  } else {
    graphics::Axis(times, side = 1)
  }
}
